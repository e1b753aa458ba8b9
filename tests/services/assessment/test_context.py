"""The context of a proposal, read with the worker's login in a bounded number of queries."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from audit.tlog.canonical import Json, encode
from remediation import models as m
from remediation.domain.catalogue.locators import escape, unescape
from remediation.domain.checks import OpenProposal, Rejection
from remediation.domain.report import load_diagnosis
from remediation.executors.targets import Targets
from remediation.services import host_files
from remediation.services.assessment import context
from tests import factories
from tests.domain.checks.test_claims import KEY, OTHER, TARGET
from tests.domain.story import TARGET as ROLE
from tests.domain.story import a_plan
from tests.every import every
from tests.factories import WORKER

pytestmark = pytest.mark.django_db

Found = TypeVar("Found")
AS_KEY = a_plan(
    steps=[{"action": "aws.iam.deactivate_access_key", "target": TARGET, "parameters": {}}]
)
ADA = "aws.iam.access_key:111122223333/ada/"


def as_worker(look: Callable[[], Found]) -> Found:
    with factories.acting(WORKER):
        return look()


def names(*locators: str) -> set[str]:
    """Return the neighbours of Ada's key among these identities."""
    for locator in locators:
        factories.identity(locator, kind="aws.iam.access_key")
    return {found.locator for found in as_worker(lambda: context.neighbours(AS_KEY))}


# ---- neighbours ----------------------------------------------------------------------------------


def test_other_keys_of_the_user_and_names_that_look_alike_are_neighbours() -> None:
    mine, second = ADA + KEY, ADA + OTHER
    alike = f"aws.iam.access_key:111122223333/adda/{OTHER}"
    other_account = f"aws.iam.access_key:999988887777/ada/{KEY}"
    far = f"aws.iam.access_key:111122223333/zoe/{'AKIAZZZZZZZZZZZZZZZZ'}"
    role = "postgres.role:ada/ada"
    assert names(mine, second, alike, other_account, far, role) == {mine, second, alike}


def roles_near(name: str, *others: str) -> set[str]:
    """Return those of the roles that are neighbours of the first one."""
    cluster = f"c{factories.number()}"
    for one in (name, *others):
        factories.identity(f"postgres.role:{cluster}/{escape(one)}", kind="postgres.role")
    target: Json = {**ROLE, "cluster": cluster, "role": name}
    step: Json = {"action": "postgres.role.disable", "target": target, "parameters": {}}
    plan = a_plan(steps=[step])
    found = as_worker(lambda: context.neighbours(plan))
    return {str(unescape(one.locator.rpartition("/")[2])) for one in found} - {name}


@every(
    ("name", "other"),
    [
        ("svc_rep\u03bfrts", "svc_reports"),
        ("svc_reports", "svc_rep\u03bfrts"),
        ("\u0455vc_reports", "svc_reports"),
        ("svc_reports", "\u0455vc_reports"),
        ("svc_report\u0455", "svc_reports"),
        ("my app", "my\u00a0app"),
        ("\u00fcn\u00efcode", "unicode"),
        ("unicode", "u\u0308nicode"),
        ("svc\u200b_reports", "svc_reports"),
    ],
)
def test_names_of_another_script_that_read_alike_are_neighbours(name: str, other: str) -> None:
    assert roles_near(name, other, "quite_another", "s\u00e9parate thing") == {other}


def test_a_neighbour_has_the_name_of_its_newest_version() -> None:
    row = factories.identity(ADA + KEY, kind="aws.iam.access_key", name="old name")
    factories.identity_version(row, name="Break glass")
    (found,) = as_worker(lambda: context.neighbours(AS_KEY))
    assert found.name == "Break glass"


def test_pattern_characters_in_a_name_match_literally() -> None:
    """IAM names may hold an underscore, which LIKE would match with any letter."""
    plan = factories.plan("a-b")
    for name in ("a-b", "a-c", "axb", "b-a"):
        factories.identity(f"test.target:{name}")
    found = {n.locator for n in as_worker(lambda: context.neighbours(plan))}
    assert found == {"test.target:a-b", "test.target:a-c"}


def test_the_number_of_neighbours_read_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(context, "MOST_NEIGHBOURS", 3)
    near = [f"aws.iam.access_key:111122223333/ad{n}/AKIAEXAMPLE000000009" for n in range(6)]
    found = names(ADA + KEY, ADA + OTHER, *near)
    assert len(found) == 3
    assert found > {ADA + KEY, ADA + OTHER}


# ---- evidence ------------------------------------------------------------------------------------


def test_cited_evidence_is_whole_and_the_rest_is_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = factories.proposal("t")
    extra = [b"one", b"two", b"three"]
    for content in extra:
        factories.evidence(made.incident, content, attacker_writable=content == b"three")
    told = load_diagnosis(bytes(made.diagnosis.body), allow_test=True)
    every = as_worker(lambda: context.artefacts(made, told))
    assert set(every.content.values()) == {factories.artefact("t"), *extra}
    assert every.attacker_writable == {sha256(b"three").hexdigest()}
    assert not every.unread

    monkeypatch.setattr(context, "MOST_OTHER_ARTEFACTS", 1)
    some = as_worker(lambda: context.artefacts(made, told))
    assert set(some.content.values()) == {factories.artefact("t"), b"three"}
    assert some.unread == {sha256(one).hexdigest() for one in (b"one", b"two")}
    monkeypatch.setattr(context, "MOST_BYTES", len(factories.artefact("t")) + 2)
    few = as_worker(lambda: context.artefacts(made, told))
    assert set(few.content.values()) == {factories.artefact("t")}
    assert len(few.unread) == 3


def test_a84_cited_evidence_is_bounded_too_and_what_is_left_out_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = factories.proposal("t")
    told = load_diagnosis(bytes(made.diagnosis.body), allow_test=True)
    monkeypatch.setattr(context, "MOST_BYTES", 0)
    none = as_worker(lambda: context.artefacts(made, told))
    assert none.content == {}
    assert none.unread == {sha256(factories.artefact("t")).hexdigest()}


def test_a84_evidence_of_another_agent_is_read_only_if_it_is_cited() -> None:
    made = factories.proposal("t")
    other = factories.agent(factories.person().user)
    for content in (b"foreign and not cited", b"foreign and cited"):
        factories.evidence(made.incident, content, agent=other)
    body = json.loads(bytes(made.diagnosis.body))
    body["claims"][0]["citations"].append(
        {"evidence": sha256(b"foreign and cited").hexdigest(), "pointer": "", "value": None}
    )
    told = load_diagnosis(encode(body), allow_test=True)
    found = as_worker(lambda: context.artefacts(made, told))
    assert set(found.content.values()) == {factories.artefact("t"), b"foreign and cited"}
    assert not found.unread  # nobody can make it incomplete from outside

    # The control: evidence of the agent itself is read without a citation.
    factories.evidence(made.incident, b"own and not cited")
    assert b"own and not cited" in as_worker(lambda: context.artefacts(made, told)).content.values()


def test_evidence_of_another_incident_is_not_included() -> None:
    """A citation of it is reported as an artefact that is not part of this incident."""
    other = factories.proposal("t")
    mine = factories.proposal("u")
    told = load_diagnosis(bytes(other.diagnosis.body), allow_test=True)
    found = as_worker(lambda: context.artefacts(mine, told))
    assert set(found.content.values()) == {factories.artefact("u")}


# ---- other proposals -----------------------------------------------------------------------------


def opened(proposal: m.Proposal) -> tuple[OpenProposal, ...]:
    plan = factories.load(proposal)
    return as_worker(lambda: context.open_proposals(proposal, plan))


@pytest.mark.parametrize(
    ("state", "counts"),
    [("submitted", True), ("in_review", True), ("approved", True), ("rejected", False),
     ("withdrawn", False), ("succeeded", False), ("expired", False)],
)  # fmt: skip
def test_an_earlier_proposal_on_the_target_counts_while_it_can_run(
    state: str, counts: bool
) -> None:
    earlier = factories.proposal_at(state, "t")
    found = opened(factories.proposal("t", "u"))
    step = ("test.noop", "test.target:t")
    assert found == ((OpenProposal(str(earlier.pk), state, (step,)),) if counts else ())


def test_a_later_proposal_does_not_spoil_an_earlier_one() -> None:
    first = factories.proposal("t")
    factories.proposal("t")
    assert opened(first) == ()


def test_a_proposal_on_another_target_is_not_included() -> None:
    factories.proposal("t")
    assert opened(factories.proposal("u")) == ()


def test_the_number_of_proposals_read_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "MOST_PROPOSALS", 2)
    for _ in range(3):
        factories.proposal("t")
    assert len(opened(factories.proposal("t"))) == 2


def test_a33_an_earlier_rejection_is_included_with_its_reason() -> None:
    earlier = factories.proposal_at("in_review", "t")
    factories.review(earlier, factories.person(roles=["security"]), "reject")
    factories.move(earlier, "rejected", reason="action_wrong")
    again = factories.proposal("t")
    found = as_worker(lambda: context.rejections(again, factories.load(again)))
    assert found == (
        Rejection(
            str(earlier.pk),
            "The action does not fit the incident: Not like this, not now.",
        ),
    )
    other = factories.proposal("u")
    assert as_worker(lambda: context.rejections(other, factories.load(other))) == ()


def test_a_forged_review_gives_no_reason() -> None:
    """The worker stored the code that it verified; a review with another code is ignored."""
    earlier = factories.proposal_at("in_review", "t")
    factories.review(earlier, factories.person(roles=["security"]), "reject")
    factories.move(earlier, "rejected", reason="other")
    again = factories.proposal("t")
    (found,) = as_worker(lambda: context.rejections(again, factories.load(again)))
    assert found.reason == "Another reason"


# ---- protected targets --------------------------------------------------------------------


def test_the_workers_list_and_its_own_keys_are_protected(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert context.protected(AS_KEY) == {}
    settings.PROTECTED_TARGETS = frozenset({ADA + KEY})
    assert "HITL_PROTECTED_TARGETS" in context.protected(AS_KEY)[ADA + KEY]

    settings.PROTECTED_TARGETS = frozenset()
    file = tmp_path / "targets.toml"
    file.write_text(
        f"""[aws."111122223333"]
        region = "eu-central-1"
        simulated = false
        observe_access_key_id = "{OTHER}"
        observe_secret_access_key = "x"
        operate_access_key_id = "{KEY}"
        operate_secret_access_key_file = "nowhere"
        """
    )
    targets = Targets.load(file, portal_system_identifier=None)
    monkeypatch.setattr(host_files, "targets", lambda: targets)
    assert context.protected(AS_KEY) == {ADA + KEY: "the portal itself works with it"}


# ---- cost ----------------------------------------------------------------------------------------


def test_the_number_of_queries_does_not_grow_with_the_data() -> None:
    def count() -> int:
        made = factories.proposal("t")
        plan = factories.load(made)
        told = load_diagnosis(bytes(made.diagnosis.body), allow_test=True)
        with factories.acting(WORKER), CaptureQueriesContext(connection) as queries:
            context.artefacts(made, told)
            context.neighbours(plan)
            context.open_proposals(made, plan)
            context.rejections(made, plan)
        return len(queries)

    factories.proposal_at("rejected", "t")
    few = count()
    for _ in range(5):
        rejected = factories.proposal_at("rejected", "t")
        factories.evidence(rejected.incident, str(rejected.pk).encode())
        factories.proposal_at("in_review", "t")
    assert count() == few <= 8
