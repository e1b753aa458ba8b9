"""A07: a correction is a new proposal that voids earlier decisions; its author is excluded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.report import load_diagnosis
from remediation.services.access import authorize
from remediation.services.actors import PersonActor
from remediation.services.assessment import scope
from remediation.services.inventory import facts
from remediation.services.reporting import correct, submit, supersede, withdraw
from remediation.services.reporting.correct import Correction
from tests import factories, stepup
from tests.factories import WEB
from tests.flows.world import World, acts
from tests.services.reporting.leaks import AWS, PASSWORD, everything_but_blobs, handed_in

pytestmark = pytest.mark.django_db

WHY = "It was another subnet."


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


def a_correction(**changes: Any) -> Correction:
    given = {"summary": "It is misused from the office.", "confidence": 60,
             "claims": {1: "t1 is misused"}}  # fmt: skip
    return Correction(**{**given, **changes})


def corrected(
    world: World, name: str, proposal_id: UUID, reason: str = WHY, **changes: Any
) -> UUID:
    with acts(WEB):
        return stepup.correct(world.people[name], proposal_id, a_correction(**changes), reason)


def test_a_new_version_with_the_same_plan_that_others_decide_on(world: World) -> None:
    old = world.in_review()
    world.decide("bob", old)
    new = corrected(world, "alice", old)
    assert world.state_of(old) == "superseded"
    before, after = world.get(old), world.get(new)
    assert (after.plan_digest, after.supersedes_id) == (before.plan_digest, old)
    told = load_diagnosis(bytes(after.diagnosis.body), allow_test=True)
    assert (told.summary, told.confidence) == ("It is misused from the office.", 60)
    earlier = load_diagnosis(bytes(before.diagnosis.body), allow_test=True)
    assert told.claims[0].citations == earlier.claims[0].citations
    assert (after.diagnosis.version, after.diagnosis.editor) == (2, world.people["alice"].id)
    entries = [e.data for e in Entry.objects.order_by("id")]
    assert [e["data"]["reason"] for e in entries
            if e["action"] == Event.PERSON_DIAGNOSIS_CORRECTED] == [WHY]  # fmt: skip
    world.assess(new)
    assert m.Review.objects.filter(proposal_id=new).count() == 0
    with pytest.raises(errors.Separation):
        world.decide("alice", new)
    world.decide("mallory", new)
    world.decide("bob", new)
    world.execute(new)
    # mallory's key is not in the approvers file; the corrector's key was not needed.
    assert world.refusals(new)[-1] == "unknown_approver_key"


def test_a_claim_can_be_left_out_and_a_service_added(world: World) -> None:
    old = world.in_review()
    forgotten = factories.service("forgotten", environment="production", payment_path=True)
    factories.grant(world.people["bob"].user, "view_service", forgotten)
    new = corrected(world, "bob", old, claims={1: None}, missing=["forgotten"])
    world.assess(new)
    assessment = authorize.newest(world.get(new))
    assert assessment is not None
    assert "forgotten" in bytes(assessment.scope).decode()
    assert assessment.risk == "critical"
    edge = m.DependencyVersion.objects.order_by("-id")[0]
    assert (edge.present, edge.author) == (True, world.people["bob"].actor)


def test_a_correction_of_the_scope_alone_keeps_the_diagnosis(world: World) -> None:
    old = world.in_review()
    forgotten = factories.service("forgotten", environment="production")
    factories.grant(world.people["alice"].user, "review_service", forgotten)
    before = world.get(old).diagnosis
    told = load_diagnosis(bytes(before.body), allow_test=True)
    new = corrected(world, "alice", old, summary=told.summary, confidence=90, missing=["forgotten"])
    assert world.get(new).diagnosis == before
    with pytest.raises(errors.Separation):
        world.assess(new)
        world.decide("alice", new)


def test_an_excluded_person_may_not_correct(world: World) -> None:
    old = world.in_review()
    world.people["nobody"] = factories.person()
    world.people["carol"] = factories.person(roles=["auditor"])
    for name, error in (
        ("dave", errors.Separation),  # owns the agent
        ("eve", errors.Separation),  # made its token
        ("carol", errors.NotEntitled),
        ("nobody", errors.NoSuchObject),
    ):
        with pytest.raises(error):
            corrected(world, name, old)
    assert world.state_of(old) == "in_review"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"reason": "short"}, errors.ReasonRequired),
        ({"confidence": 101}, errors.BadInput),
        ({"summary": "x" * 100_000}, errors.BadInput),
        ({"missing": ["no such service"]}, errors.BadValue),
        ({"missing": ["somebody else's"]}, errors.BadValue),
        ({"missing": [f"s{n}" for n in range(21)]}, errors.BadValue),
        ({"summary": "It is misused.", "confidence": 90}, errors.NothingToCorrect),
    ],
)
def test_a_refused_correction_changes_nothing(
    world: World, changes: dict[str, Any], error: type[errors.Refused]
) -> None:
    old = world.in_review()
    factories.service("somebody else's", environment="production")
    entries = Entry.objects.count()
    with pytest.raises(error):
        corrected(world, "alice", old, **changes)
    assert world.state_of(old) == "in_review"
    assert Entry.objects.count() == entries


def test_an_approved_proposal_cannot_be_corrected(world: World) -> None:
    with pytest.raises(errors.WrongState):
        corrected(world, "alice", world.approved())


def test_the_agent_that_says_the_same_again_makes_a_version_of_its_own(world: World) -> None:
    """Otherwise a corrector could decide on the agent's next proposal, which has his words."""
    old = world.in_review()
    new = corrected(world, "alice", old)
    said = bytes(world.get(new).diagnosis.body)
    with acts(WEB), transaction.atomic():
        again = submit.report(world.report(diagnosis=json.loads(said)), actor=world.agent)
    assert again.diagnosis_version == 3
    newest = m.Diagnosis.objects.order_by("-id")[0]
    assert newest.editor is None


@pytest.mark.parametrize("actor", ["agent", "another person"])
def test_a43_a_corrected_diagnosis_names_its_corrector_on_record(world: World, actor: str) -> None:
    """The guard refuses a diagnosis of web whose entry names another person."""
    proposal = world.get(world.in_review())
    row = m.Diagnosis.objects.get(pk=proposal.diagnosis_id)
    who = world.agent.ref if actor == "agent" else world.people["bob"].actor
    with pytest.raises(IntegrityError, match="entry_names"), acts(WEB), transaction.atomic():
        entry = factories.entry(
            Event.PERSON_DIAGNOSIS_CORRECTED, who, f"incident:{row.incident_id}"
        )
        m.Diagnosis.objects.create(
            incident_id=row.incident_id,
            version=2,
            body=row.body,
            digest=row.digest,
            agent_id=row.agent_id,
            editor=world.people["alice"].id,
            entry=entry,
        )


def test_a61_a_secret_quoted_in_a_correction_is_masked(world: World) -> None:
    proposal_id = handed_in(world)
    world.assess(proposal_id)
    corrected(
        world,
        "alice",
        proposal_id,
        reason=f"The key {AWS} and {PASSWORD} leaked.",
        summary=f"{AWS} {PASSWORD}",
        claims={},
    )
    raw = everything_but_blobs()
    assert AWS.encode() not in raw and PASSWORD.encode() not in raw


def test_a07_the_corrector_of_the_diagnosis_is_excluded_from_the_reversal(world: World) -> None:
    like = world.get(corrected(world, "alice", world.in_review()))
    factories.move(like, "withdrawn", login=WEB, actor=like.agent.actor)
    proposal = factories.insert_proposal(
        world.plan(), diagnosis=like.diagnosis, agent=like.agent, token=like.token
    )
    world.assess(proposal.pk)
    assert (
        "corrected the diagnosis" in authorize.excluded(proposal.pk)[str(world.people["alice"].id)]
    )
    with pytest.raises(errors.Separation):
        world.decide("alice", proposal.pk)


def undone_like(world: World, like: m.Proposal) -> m.Proposal:
    """Make a person's own proposal beside one that ended, as a reversal is made."""
    factories.move(like, "withdrawn", login=WEB, actor=like.agent.actor)
    made = factories.insert_proposal(
        world.plan(), diagnosis=like.diagnosis, agent=like.agent, token=like.token
    )
    world.assess(made.pk)
    return made


def test_a07_the_first_corrector_stays_excluded_after_a_second_correction(
    world: World,
) -> None:
    """The second version holds words of both correctors."""
    first = corrected(world, "alice", world.in_review())
    world.assess(first)
    second = corrected(world, "bob", first, summary="It is misused from the car park.")
    proposal = undone_like(world, world.get(second))
    out = authorize.excluded(proposal.pk)
    assert out[str(world.people["alice"].id)] == ("corrected the diagnosis",)
    assert out[str(world.people["bob"].id)] == ("corrected the diagnosis",)


def test_a07_the_corrector_is_excluded_when_the_agent_repeats_the_words(world: World) -> None:
    new = world.get(corrected(world, "alice", world.in_review()))
    factories.move(new, "withdrawn", login=WEB, actor=new.agent.actor)
    told = json.loads(bytes(new.diagnosis.body))
    with acts(WEB), transaction.atomic():
        again = submit.report(world.report(diagnosis=told), actor=world.agent)
    assert again.proposal_id is not None
    assert world.get(again.proposal_id).diagnosis.editor is None
    world.assess(again.proposal_id)
    with pytest.raises(errors.Separation):
        world.decide("alice", again.proposal_id)


def test_the_corrector_may_decide_on_new_words_of_the_agent(world: World) -> None:
    """The exclusion ends with new words, which are not the corrector's."""
    new = world.get(corrected(world, "alice", world.in_review()))
    factories.move(new, "withdrawn", login=WEB, actor=new.agent.actor)
    told = {**json.loads(bytes(new.diagnosis.body)), "summary": "It is something else."}
    with acts(WEB), transaction.atomic():
        again = submit.report(world.report(diagnosis=told), actor=world.agent)
    assert again.proposal_id is not None
    world.assess(again.proposal_id)
    world.decide("alice", again.proposal_id)


def unused(world: World) -> tuple[m.Identity, UUID]:
    """Make a proposal on an old target that no known service uses."""
    identity = m.Identity.objects.get(locator="test.target:t1")
    edge = m.Dependency.objects.get(identity=identity)
    with factories.unguarded("remediation_dependencyversion"):
        edge.versions.all().delete()
    factories.settle_inventory()
    return identity, world.in_review()


def scope_reasons(world: World) -> tuple[str, ...]:
    return scope.scope_of(world.plan()).unknown


UNUSED = "no service is recorded as using test.target:t1 throughout the last 24 hours"


def test_a45_a_correction_does_not_make_an_unknown_user_known(world: World) -> None:
    """Otherwise one person could add his own service, wait, and approve alone where two must."""
    identity, old = unused(world)
    mine = factories.service("mine", environment="development")
    factories.grant(world.people["alice"].user, "review_service", mine)
    corrected(world, "alice", old, missing=["mine"])
    factories.settle_inventory()
    edge = m.Dependency.objects.get(source=mine)
    assert edge.versions.get().by_reviewer
    assert scope_reasons(world) == (UNUSED,)

    # An inventory editor confirms it, not the corrector, and is then excluded.
    people = {name: factories.person(roles=["inventory_editor"]) for name in ("clerk",)}
    for who, versions in ((world.people["alice"], 1), (people["clerk"], 2)):
        factories.join(who.user, "inventory_editor")
        with acts(WEB):
            facts.set_dependency(
                actor=PersonActor(who.id, who.user.pk),
                source_id=mine.pk,
                needs=identity,
                present=True,
            )
        assert edge.versions.count() == versions
    assert scope_reasons(world) == (UNUSED,)
    assert people["clerk"].id in {UUID(one) for one in authorize.excluded(world.in_review())}
    factories.settle_inventory()
    assert scope_reasons(world) == ()


def test_a45_a_correction_does_not_weaken_the_inventory(world: World) -> None:
    old = world.in_review()
    usual = m.Dependency.objects.get(identity__locator="test.target:t1").source
    with pytest.raises(errors.NothingToCorrect):
        told = load_diagnosis(bytes(world.get(old).diagnosis.body), allow_test=True)
        corrected(
            world, "alice", old, summary=told.summary, confidence=90, claims={},
            missing=[usual.name],
        )  # fmt: skip
    assert not m.DependencyVersion.objects.filter(by_reviewer=True).exists()


def test_hidden_characters_of_an_unchanged_text_stay_what_they_are(world: World) -> None:
    """The form shows them as code points; sent back so, they are not written down as words."""
    old = correct._typed("a⟨U+202E⟩b", "a\u202eb")
    assert old == "a\u202eb"
    assert correct._typed("another", "a\u202eb") == "another"


# ---- what is left to the agent (A79) -------------------------------------------------------------


def test_a79_an_agent_neither_withdraws_nor_replaces_the_version_of_a_person(world: World) -> None:
    new = corrected(world, "alice", world.in_review())
    world.assess(new)
    with acts(WEB), pytest.raises(errors.NoSuchObject):
        withdraw.withdraw(actor=world.agent, proposal_id=new, reason="It was nothing.")
    with acts(WEB), pytest.raises(errors.NoSuchObject):
        supersede.supersede(
            actor=world.agent, proposal_id=new, plan=world.plan(), rationale="", reason=""
        )
    assert world.state_of(new) == "in_review"
