"""The lists of the domain's words are exactly what the domain has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.contrib import admin
from django.utils import translation

from audit import sqlfile
from remediation import schema, vocabulary
from remediation.admin import names
from remediation.domain import checks, errors, outcome, patterns, plan_due, statement
from remediation.domain.catalogue import BUILT_IN, PROVIDERS, REPORT_ONLY, Provider
from remediation.domain.checks import Outcome as Finding
from remediation.domain.conditions import Name as Condition
from remediation.domain.conditions import Use
from remediation.domain.differences import Difference
from remediation.domain.digest import Kind
from remediation.domain.errors import GATE_REASONS, Next, Refused
from remediation.domain.gate.gate import STEPS
from remediation.domain.halt.statement import RunDecision
from remediation.domain.intake import report
from remediation.domain.outcome import Outcome
from remediation.domain.ruling import Risk
from remediation.domain.secrets import detector
from remediation.domain.slots import OWNERS, SLOTS
from remediation.domain.statement import Decision, Verdicts
from remediation.domain.states import CloseReason, IncidentState, ProposalState
from remediation.domain.telling import KINDS
from remediation.executors.base import NOT_COMPARED
from remediation.executors.postgres_live import NO_PASSWORD, TOO_MANY
from remediation.models.inventory import Criticality, Environment, TakesBy
from remediation.services.access import deciders
from remediation.services.assessment.read_live import NO_ACTION
from remediation.services.inventory.consumer_facts import ConsumerFacts
from remediation.services.inventory.facts import IdentityFacts, ServiceFacts
from remediation.services.outbox import not_started
from remediation.services.people import accounts
from remediation.views.cards import checks as check_cards
from remediation.views.forms import CLOSE_TITLES
from remediation.views.refusals import ADVICE
from remediation.views.run import outcome as run_outcome
from remediation.views.run.page import PHASES
from remediation.vocabulary.refusals import MESSAGES, NAMES
from remediation.vocabulary.sayings import SAYINGS
from remediation.vocabulary.words import WORDS
from tests.every import every

ROOT = Path(__file__).resolve().parents[2]
# What the history names beside the digests, and what executors record of a step.
FIELDS = {
    *(f"{kind} digest" for kind in ("plan", "pin", "scope", "checks", "ruling", "diagnosis")),
    *("verdicts", "snapshot", "refusal", "detail"),
}


def refusals(of: type[Refused] = Refused) -> Iterator[type[Refused]]:
    yield of
    for below in of.__subclasses__():
        if below.__module__.startswith(errors.__name__):
            yield from refusals(below)


def named_by(provider: Provider) -> set[str]:
    """What pages name of a provider: fields of its targets, parameters, what executors read.

    That executors show exactly the declared fields, the contract test says.
    """
    return {
        *(
            field
            for spec in provider.targets
            for field in (*spec.fields, *spec.shown_fields, *spec.live_fields)
        ),
        *(field for spec in provider.actions for field in spec.pin_fields),
        *(name for spec in provider.actions for name in spec.parameters["properties"]),
    }  # type: ignore[misc]


@every("name", sorted(PROVIDERS))
def test_a_provider_has_a_word_for_everything_that_it_names(name: str) -> None:
    provider = PROVIDERS[name]
    assert set(provider.words) == named_by(provider) - set(WORDS)
    assert not set(provider.words) & set(NAMES)


def test_a_name_that_two_providers_have_is_one_word() -> None:
    pairs = [pair for provider in PROVIDERS.values() for pair in provider.words.items()]
    assert len({name for name, _ in pairs}) == len(set(pairs))


def test_the_built_in_providers_are_registered() -> None:
    assert tuple(PROVIDERS.values())[: len(BUILT_IN)] == BUILT_IN


def test_the_words_are_those_of_the_domain() -> None:
    expected = {
        *ProposalState, *IncidentState, *Risk, *Criticality.values, *Environment.values, *Decision,
        "yes", "no", *Finding, *(set(SLOTS) - set(OWNERS)),
        *accounts.BUILT_IN, "staff", *Outcome, *PHASES, "halted",
        *RunDecision, *Condition, *Use, *TakesBy.values,
        *(name for _, name, _ in STEPS), *Kind, *Verdicts.__slots__,
        "same", "added", "removed", "changed",
        "service", "identity", "dependency", "present",
        *ServiceFacts.__dataclass_fields__, *IdentityFacts.__dataclass_fields__,
        *ConsumerFacts.__dataclass_fields__,
        *FIELDS,
    }  # fmt: skip
    # A step of the gate that is called as the refusal that it makes.
    assert {str(name) for name in expected} == set(WORDS) | {"drift"}
    assert "drift" in NAMES
    assert {Difference("", old, new).word for old, new in ((None, ""), ("", None), ("", ""))} == {
        "added",
        "removed",
        "changed",
    }


def test_the_refusals_are_those_of_the_domain() -> None:
    found = list(refusals())
    assert len(found) > 70
    assert {one.name for one in found} == set(NAMES) | ({one.name for one in found} & set(WORDS))
    assert not set(NAMES) & set(WORDS)
    said = [" ".join((one.__doc__ or "").split()) for one in found]
    assert set(MESSAGES) == set(said)
    assert len(MESSAGES) == len(set(MESSAGES))


def test_the_sayings_are_those_of_the_domain() -> None:
    sql = sqlfile.read(schema.SQL, schema.FILES)
    body = sql.partition("FUNCTION remediation.excluded_v1")[2].partition("END $$;")[0]
    excluding = set(re.findall(r"SELECT (?:DISTINCT )?[^,]+(?:\([^)]*\))?, '([a-z0-9 ]+)'", body))
    assert len(excluding) == 7
    drawn = (ROOT / "remediation/domain/diagram.py").read_text(encoding="utf-8")
    marks = {"not in the inventory", "Not known", "payment path", "partner", "no owner"}
    assert all(f'"{mark}"' in drawn for mark in marks)
    expected = {
        *statement.REJECT_REASONS.values(), *statement.RETURN_REASONS.values(),
        *outcome.WORDS.values(), *plan_due.REASONS.values(), *detector.TITLES.values(),
        REPORT_ONLY,
        *marks, *excluding, deciders.NO_RIGHT, deciders.ALL_FILLED, *_notes(),
        not_started.NO_WORKER,
        *(about.choice for about in KINDS.values()), *patterns.FEATURES.values(),
        NOT_COMPARED, NO_ACTION, NO_PASSWORD, TOO_MANY,
    }  # fmt: skip
    assert expected - set(MESSAGES) == set(SAYINGS)


def _notes() -> set[str]:
    """Titles that an import's notes have."""
    source = Path(report.__file__).read_text(encoding="utf-8")
    return set(re.findall(r'\("([A-Z][^"]+)", found\.', source))


def test_titles_of_pages_cover_what_they_are_of() -> None:
    assert set(check_cards.TITLES) == set(checks.CHECKS)
    assert set(check_cards.TITLES_FAILED) == set(checks.CHECKS)
    assert set(CLOSE_TITLES) == set(CloseReason)
    ran = {*run_outcome.LOOKS, *run_outcome.NOT_RUN}
    assert ran == set(ProposalState)
    retried = {name for name, kind in GATE_REASONS.items() if kind.next is Next.RETRY}
    assert set(run_outcome.WAITS) == retried
    assert all(issubclass(kind, Refused) for kind, _ in ADVICE)


def test_the_administrators_pages_have_names_for_everything() -> None:
    ours = {
        model._meta.model_name
        for model in admin.site._registry
        if model._meta.app_label == "remediation" and model._meta.model_name != "user"
    }
    assert ours == set(names.MODELS)
    used = {
        field.name
        for name in names.MODELS
        for field in apps.get_model("remediation", name)._meta.concrete_fields
    }
    assert used | {"person"} == set(names.COLUMNS)


def test_a_word_is_said_in_the_language_of_the_moment(speaks: None) -> None:
    with translation.override("xx"):
        assert vocabulary.word("rolled_back") == "⟦ŕōĺĺēď ƀàčķ···⟧"
        assert vocabulary.message(errors.Drift).startswith("⟦Ťĥē ťàŕģēť")
        assert vocabulary.saying("It ends no session.").startswith("⟦Ĩť")
        assert vocabulary.word("access_key_id").startswith("⟦")
        assert vocabulary.saying("PostgreSQL role").startswith("⟦")
        # What is in no list comes out as it went in, an agent's text above all.
        assert vocabulary.saying("Queue") == "Queue"
        assert vocabulary.word("told:rolled_back") == "told · rolled back"
    assert vocabulary.word("rolled_back") == "rolled back"
    assert vocabulary.message(errors.Drift()) == errors.Drift().message
    assert vocabulary.word("access_key_id") == "access key id"


@every("refusal", list(refusals()), ids=lambda one: one.__name__)
def test_a_refusal_says_in_english_what_its_docstring_says(refusal: type[Refused]) -> None:
    assert vocabulary.message(refusal) == " ".join((refusal.__doc__ or "").split())
