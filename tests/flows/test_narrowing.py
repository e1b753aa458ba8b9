"""A reviewer leaves something out of a plan: signed, it counts as an approval of the rest.

A07, A76.

Each attack has a control: what the guard is for happens when the guard is removed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import GATE_REASONS
from remediation.domain.gate.evidence import Evidence
from remediation.domain.narrowing import Kept
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.services.access import authorize, slots
from remediation.services.assessment import narrowed
from remediation.services.people import passkeys
from remediation.services.review import gather, narrow, sign
from remediation.services.review.old_page import Page
from tests import factories
from tests.factories import WEB
from tests.flows.world import YES, World, acts

pytestmark = pytest.mark.django_db

WHY = "The third target is not part of it."
DEFAULT = {"alice": "security", "bob": "service_owner", "mallory": "security", "dave": "security"}


class Narrowing(World):
    """A plan of three steps."""

    def narrow(
        self,
        name: str,
        proposal_id: UUID,
        steps: Sequence[int] = (0, 1),
        *,
        parameters: dict[str, Any] | None = None,
        **changes: Any,
    ) -> UUID:
        """Start and sign a narrowing as a browser with this person's passkey would."""
        started = self.start(name, proposal_id, steps, parameters=parameters, **changes)
        return self.finish(name, started)

    def start(
        self,
        name: str,
        proposal_id: UUID,
        steps: Sequence[int] = (0, 1),
        *,
        parameters: dict[str, Any] | None = None,
        **changes: Any,
    ) -> sign.Started:
        with acts(WEB):
            page, looked = self.page(proposal_id)
            given: dict[str, Any] = {
                "actor": self.people[name].user,
                "proposal_id": proposal_id,
                "page": page,
                "kept": [self.kept(proposal_id, step, parameters) for step in steps],
                "verdicts": YES,
                "reason": WHY,
                "slot": DEFAULT.get(name, "service_owner"),
                "opened": looked.artefacts,
                "typed": looked.names,
                **changes,
            }
            return narrow.start(**given)

    def kept(self, proposal_id: UUID, step: int, parameters: dict[str, Any] | None = None) -> Kept:
        """Keep a step, with its own parameters or others."""
        found = factories.load(self.get(proposal_id)).steps
        own = found[step].parameters if step < len(found) else {}
        return Kept(step, own if parameters is None else parameters)

    def finish(self, name: str, started: sign.Started) -> UUID:
        with acts(WEB):
            answer = self.assertion(name, started)
            return narrow.sign(
                actor=self.people[name].user, session_id=started.session_id, assertion=answer
            )

    def assessment(self, proposal_id: UUID) -> m.Assessment:
        found = authorize.newest(self.get(proposal_id))
        assert found is not None
        return found

    def evidence(self, proposal_id: UUID) -> Evidence:
        from remediation.services.load_plan import load_plan

        proposal = self.get(proposal_id)
        plan = load_plan(bytes(proposal.plan))
        return gather.gather(proposal, plan, observations={}, failures={})


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> Narrowing:
    return Narrowing(tmp_path, settings, targets=("t1", "t2", "t3"))


def test_three_become_two_and_exactly_two_run(world: Narrowing) -> None:
    """bob narrows, alice signs the rest, the worker runs exactly that."""
    old = world.in_review()
    new = world.narrow("bob", old)
    assert world.state_of(old) == "superseded"
    made = world.get(new)
    assert (made.supersedes_id, made.editor) == (old, world.people["bob"].id)
    assert [t.locator for t in made.targets.order_by("step")] == [
        "test.target:t1", "test.target:t2",
    ]  # fmt: skip
    world.assess(new)
    assert world.assessment(new).narrowing_counts
    # He is no editor, and has decided already.
    assert str(world.people["bob"].id) not in authorize.excluded(new)
    assert slots.open_slots_for(world.people["bob"].user, world.get(new)) == ()
    assert slots.open_slots_for(world.people["alice"].user, world.get(new)) == ("security",)
    signed = world.decide("alice", new)
    assert signed.resolution == "approved"
    world.execute(new)
    assert world.state_of(new) == "succeeded"
    assert [world.state(name) for name in world.targets] == ["off", "off", "on"]
    assert {call["target"] for call in world.calls()} == {"t1", "t2"}
    events = [entry.data["action"] for entry in Entry.objects.order_by("id")]
    for before, after in (
        ("person:narrowing:started", "person:plan:narrowed"),
        ("person:plan:narrowed", "person:proposal:superseded"),
        ("person:proposal:superseded", "person:proposal:submitted"),
    ):
        assert events.index(before) < events.index(after)


def test_the_record_holds_what_was_signed(world: Narrowing) -> None:
    new = world.narrow("bob", world.in_review())
    row = m.Narrowing.objects.get(proposal=new)
    statement = NarrowingStatement.parse(bytes(row.statement))
    assert statement.narrowed == world.get(new).plan_digest
    assert (statement.reason, statement.makes) == (WHY, str(new))
    entry = Entry.objects.get(id=row.entry).data
    assert entry["object"] == f"proposal:{new}"
    assert digest(Kind.NARROWING, bytes(row.statement)) == statement.digest


def test_others_approvals_of_the_old_plan_are_void(world: Narrowing) -> None:
    old = world.in_review()
    world.decide("alice", old)
    new = world.narrow("bob", old)
    world.assess(new)
    assert slots.open_slots_for(world.people["alice"].user, world.get(new)) == ("security",)
    assert world.state_of(new) == "in_review"


def test_who_approved_may_still_leave_something_out(world: Narrowing) -> None:
    old = world.in_review()
    world.decide("bob", old)
    new = world.narrow("bob", old)
    world.assess(new)
    world.decide("alice", new)
    assert world.state_of(new) == "approved"


def test_one_person_fills_one_slot(world: Narrowing) -> None:
    """A10: who narrowed cannot approve, too; objecting stays possible."""
    factories.join(world.people["bob"].user, "security")
    new = world.narrow("bob", world.in_review())
    world.assess(new)
    with pytest.raises(errors.AlreadyReviewed):
        world.decide("bob", new, slot="security")
    world.decide("bob", new, "return", slot="security")


def test_a10_the_database_refuses_the_second_slot_too(world: Narrowing) -> None:
    factories.join(world.people["bob"].user, "security")
    new = world.narrow("bob", world.in_review())
    world.assess(new)
    proposal, bob = world.get(new), world.people["bob"]
    begun = factories.session(proposal, bob, slot="security")
    with pytest.raises(IntegrityError, match="review_narrowed"), transaction.atomic():
        factories.sign(begun, bob)
    with factories.unguarded("public.remediation_review"):  # control
        factories.sign(begun, bob)
    # Even then he is one person, and two are needed.
    with pytest.raises(IntegrityError, match="quorum_not_met"), transaction.atomic():
        factories.move(proposal, "approved", login=WEB, actor=bob.actor)


def test_a16_a_persons_plan_is_narrowed_while_the_agent_is_suspended(world: Narrowing) -> None:
    """Suspending an agent leaves its incidents an answer, a smaller one, too."""
    from remediation.services.reporting import make_plan

    with acts(WEB):
        planned = make_plan.make(
            actor=world.people["mallory"].user,
            incident_id=world.get(world.submit()).incident_id,
            plan=factories.plan("t1", "t2", environment=world.environment),
            rationale="Two of them are in use.",
        )
    agent = m.Agent.objects.get(pk=world.agent.agent_id)
    factories.agent_version(agent, world.people["dave"], enabled=False)
    world.assess(planned)
    new = world.narrow("bob", planned, [0])
    world.assess(new)
    with pytest.raises(errors.Separation):  # promise 4: the planner stays the planner
        world.decide("mallory", new)
    world.decide("alice", new)
    world.execute(new)
    assert world.state_of(new) == "succeeded"
    assert world.get(new).planner == world.people["mallory"].id


def test_a07_the_narrowing_of_another_proposal_releases_no_editor(world: Narrowing) -> None:
    """A07: bob edits a plan, and narrows another one that holds all of its steps "to" it."""
    from tests.database.attacks_narrowing import narrow as insert

    bob, old = world.people["bob"], world.get(world.in_review())
    plan = a_plan("t1", "t2")
    factories.move(old, "superseded", login=WEB, actor=bob.actor)
    made = factories.insert_proposal(
        plan, diagnosis=old.diagnosis, agent=old.agent, token=old.token, editor=bob.id,
        supersedes=old,
    )  # fmt: skip
    other = world.in_review()
    with pytest.raises(IntegrityError, match="narrowing_late"), transaction.atomic():
        insert(world.get(other), bob, plan, makes=made.pk, slot="service_owner")
    # Without that guard: it is not what this one follows, so bob stays its editor.
    with factories.unguarded("public.remediation_narrowing"):
        insert(world.get(other), bob, plan, makes=made.pk, slot="service_owner")
    assert authorize.excluded(made.pk)[str(bob.id)] == ("edited the plan",)
    world.assess(made.pk)
    assert world.evidence(made.pk).narrowings == ()


def test_after_a_second_round_it_does_not_count(world: Narrowing) -> None:
    new = world.narrow("bob", world.in_review())
    world.assess(new)
    world.assess(new, reason="drift")
    assert not world.assessment(new).narrowing_counts
    assert slots.open_slots_for(world.people["bob"].user, world.get(new)) == ("service_owner",)
    world.decide("bob", new)
    world.decide("alice", new)
    world.execute(new)
    assert world.state_of(new) == "succeeded"


def test_when_the_target_moved_its_author_signs_again(world: Narrowing) -> None:
    """A31: what he saw is not what stands there now."""
    new = world.narrow("bob", world.in_review())
    world.set_state("t2", "other")
    world.assess(new)
    assert not world.assessment(new).narrowing_counts
    world.decide("alice", new)
    assert world.state_of(new) == "in_review"
    world.decide("bob", new)
    assert world.state_of(new) == "approved"


def test_the_state_of_what_was_left_out_does_not_matter(world: Narrowing) -> None:
    new = world.narrow("bob", world.in_review())
    world.set_state("t3", "other")
    world.assess(new)
    assert world.assessment(new).narrowing_counts


def test_a_narrowing_of_a_narrowing(world: Narrowing) -> None:
    """alice narrows once more; bob, whose own no longer counts, signs."""
    first = world.narrow("bob", world.in_review())
    world.assess(first)
    second = world.narrow("alice", first, [0])
    world.assess(second)
    assert (
        authorize.excluded(second)
        .keys()
        .isdisjoint({str(world.people[name].id) for name in ("alice", "bob")})
    )
    world.decide("bob", second)
    world.execute(second)
    assert world.state_of(second) == "succeeded"
    assert [world.state(name) for name in world.targets] == ["off", "on", "on"]


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        ((0, 1, 2), errors.NothingLeftOut),
        ((), errors.BadInput),
        ((3,), errors.BadInput),
        ((1, 0), errors.NotNarrower),
        ((0, 0), errors.BadInput),
    ],
)
def test_a_plan_that_is_not_narrower_is_not_offered_to_sign(
    world: Narrowing, steps: Sequence[int], error: type[errors.Refused]
) -> None:
    with pytest.raises(error):
        world.start("bob", world.in_review(), steps)


def test_a_parameter_that_declares_nothing_stays(world: Narrowing) -> None:
    with pytest.raises(errors.NotNarrower):
        world.start("bob", world.in_review(), parameters={"note": "more"})


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"verdicts": {**YES, "action": "no"}}, errors.VerdictsDisagree),
        ({"verdicts": {"diagnosis": "no", "scope": "no", "action": "no"}}, errors.VerdictsDisagree),
        ({"reason": "short"}, errors.ReasonRequired),
        ({"slot": "security"}, errors.SlotNotOpen),  # A07: somebody without the slot
        ({"page": Page(2)}, errors.StaleDigest),
        ({"page": Page(1, 7)}, errors.StaleDigest),
    ],
)
def test_what_a_narrowing_needs(
    world: Narrowing, changes: dict[str, Any], error: type[errors.Refused]
) -> None:
    with pytest.raises(error):
        world.start("bob", world.in_review(), **changes)


@pytest.mark.parametrize(
    ("name", "error"),
    [("dave", errors.Separation), ("eve", errors.Separation), ("carol", errors.NotEntitled)],
)
def test_a11_an_excluded_person_may_not_narrow(
    world: Narrowing, name: str, error: type[errors.Refused]
) -> None:
    world.people["carol"] = factories.person(roles=["auditor"])
    with pytest.raises(error):
        world.start(name, world.in_review())


def test_a11_nor_may_somebody_who_corrected_the_diagnosis(world: Narrowing) -> None:
    from tests.services.reporting.test_correct import corrected

    new = corrected(world, "bob", world.in_review())
    world.assess(new)
    with pytest.raises(errors.Separation):
        world.start("bob", new)


def test_a76_without_the_signature_nothing_is_superseded(world: Narrowing) -> None:
    """Neither starting, nor another person's session or key, touches others' approvals."""
    old = world.in_review()
    world.decide("alice", old)
    started = world.start("bob", old)
    assert world.state_of(old) == "in_review"
    with acts(WEB):
        with pytest.raises(errors.NoSuchObject):
            narrow.sign(
                actor=world.people["alice"].user,
                session_id=started.session_id,
                assertion=world.assertion("alice", started),
            )
        with pytest.raises(errors.SignatureInvalid):
            narrow.sign(
                actor=world.people["bob"].user,
                session_id=started.session_id,
                assertion=world.assertion("mallory", started),
            )
    assert world.state_of(old) == "in_review"
    assert m.Narrowing.objects.count() == 0


def test_a20_a_signature_is_used_once(world: Narrowing) -> None:
    started = world.start("bob", world.in_review())
    world.finish("bob", started)
    with pytest.raises(errors.WrongState):
        world.finish("bob", started)


def test_a_started_review_is_no_narrowing_and_the_other_way_round(world: Narrowing) -> None:
    """Each kind of statement has a digest domain and a form of its own."""
    old = world.in_review()
    begun = world.start("bob", old)
    with acts(WEB), pytest.raises(errors.BadInput):
        sign.sign(
            actor=world.people["bob"].user,
            session_id=begun.session_id,
            assertion=world.assertion("bob", begun),
        )


def test_a_rejection_that_waits_for_the_worker_is_not_gone_around(world: Narrowing) -> None:
    old = world.in_review()
    started = world.start("bob", old)
    world.decide("alice", old, "reject")
    with pytest.raises(errors.WrongState):
        world.finish("bob", started)
    world.settle(old)
    assert world.state_of(old) == "rejected"


# What a compromised web process can write, and where it is refused.


def forged(world: Narrowing, old: UUID, plan: Any, *, key: Any = None, **changes: Any) -> UUID:
    """Write rows as hitl_web could: session, narrowing, end of the old proposal, the new one."""
    bob, proposal = world.people["bob"], world.get(old)
    kept = tuple(world.kept(old, step) for step in changes.pop("kept", (0, 1)))
    signer = key or bob.passkey
    composed = NarrowingStatement(
        proposal=str(old),
        round=proposal.round,
        digests=factories.digests(proposal, world.assessment(old)),
        makes=str(uuid4()),
        narrowed=plan.digest,
        kept=kept,
        verdicts=factories.statement(proposal, bob).verdicts,
        reason=WHY,
        slot="service_owner",
        person=str(bob.id),
        nonce=uuid4().hex,
        expires=factories.statement(proposal, bob).expires,
        rp_id=world.settings.RP_ID,
        origin=world.settings.ORIGIN,
    )
    made = signer.assertion(composed.challenge(), composed.rp_id, composed.origin)
    new = UUID(composed.makes)
    with transaction.atomic():
        session = factories.insert_session(composed, proposal=proposal, person=bob.id)  # type: ignore[arg-type]
        with factories.acting(WEB):
            m.Narrowing.objects.create(
                **{
                    "session": session,
                    "proposal_id": new,
                    "narrows": proposal,
                    "person": bob.id,
                    "slot": "service_owner",
                    "statement": composed.body(),
                    "credential_id": made.credential_id,
                    "authenticator_data": made.authenticator_data,
                    "client_data_json": made.client_data_json,
                    "signature": made.signature,
                    "cose_key": signer.cose_key,
                    "entry": factories.entry("person:plan:narrowed", bob.actor, f"proposal:{new}",
                                             statement=composed.to_json(),
                                             assertion=made.to_json()),
                    **changes,
                }
            )  # fmt: skip
        factories.move(proposal, "superseded", login=WEB, actor=bob.actor)
        factories.insert_proposal(
            plan, id=new, diagnosis=proposal.diagnosis, agent=proposal.agent,
            token=proposal.token, editor=bob.id, supersedes=proposal,
        )  # fmt: skip
    return new


def a_plan(*names: str, **changes: Any) -> Any:
    return factories.plan(*names, environment="production", **changes)


def test_a07_a_widening_marked_as_narrowing_is_refused_by_the_database(world: Narrowing) -> None:
    old = world.in_review()
    with pytest.raises(IntegrityError, match="narrowed_plan"):
        forged(world, old, a_plan("t1", "t4"))
    with pytest.raises(IntegrityError, match="narrowed_plan"):
        forged(world, old, a_plan("t2", "t1"))


def test_a07_a_widening_is_not_counted_and_refused_by_the_gate(
    world: Narrowing, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control for the guard: without it the rows stand, and worker and gate refuse them."""
    old = world.in_review()
    with factories.unguarded("public.remediation_proposal"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        new = forged(world, old, a_plan("t2", "t1"), kept=(1, 0))
    world.assess(new)
    assert not world.assessment(new).narrowing_counts
    # Even if the worker had counted it.
    with factories.unguarded("public.remediation_assessment"):
        m.Assessment.objects.filter(proposal=new).update(narrowing_counts=True)
    world.decide("alice", new)
    assert world.state_of(new) == "approved"
    world.execute(new)
    assert (world.state_of(new), world.refusals(new)) == ("refused", ["not_narrower"])
    assert world.calls() == []


def test_a43_a_narrowing_signed_with_a_key_of_the_attacker_is_refused_by_the_gate(
    world: Narrowing,
) -> None:
    from tests.passkey import SoftPasskey

    new = forged(world, world.in_review(), a_plan("t1", "t2"), key=SoftPasskey.from_seed("web"))
    world.assess(new)
    world.decide("alice", new)
    assert world.state_of(new) == "approved"
    world.execute(new)
    assert world.refusals(new) == ["unknown_approver_key"]
    assert world.calls() == []
    # A new round, in which the narrowing counts no more; but bob would still be no editor.
    assert world.state_of(new) == "in_review"


def test_control_with_bobs_own_key_it_runs(world: Narrowing) -> None:
    new = forged(world, world.in_review(), a_plan("t1", "t2"))
    world.assess(new)
    world.decide("alice", new)
    assert world.state_of(new) == "approved"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"slot": "security"}, "review_digest"),
        ({"person": uuid4()}, "entry_names"),
        ({"statement": b"{}"}, "review_session"),
    ],
)
def test_a43_rows_that_say_something_else_than_what_was_signed(
    world: Narrowing, changes: dict[str, Any], rule: str
) -> None:
    with pytest.raises(IntegrityError, match=rule):
        forged(world, world.in_review(), a_plan("t1", "t2"), **changes)


def test_another_plan_than_the_signed_one_cannot_be_inserted(world: Narrowing) -> None:
    old = world.in_review()
    started = world.start("bob", old)
    session = m.ReviewSession.objects.get(pk=started.session_id)
    statement = NarrowingStatement.parse(bytes(session.statement))
    assert statement.narrowed == a_plan("t1", "t2").digest
    # The same signature on another proposal: the session names the one that it makes.
    other = uuid4()
    with pytest.raises(IntegrityError, match="review_digest"), transaction.atomic(), acts(WEB):
        bob = world.people["bob"]
        m.Narrowing.objects.create(
            session=session, proposal_id=other, narrows_id=old, person=bob.id,
            slot="service_owner", statement=bytes(session.statement), credential_id=b"",
            authenticator_data=b"", client_data_json=b"", signature=b"", cose_key=b"",
            entry=factories.entry("person:plan:narrowed", bob.actor, f"proposal:{other}"),
        )  # fmt: skip


def test_refusals_have_names() -> None:
    assert GATE_REASONS["not_narrower"] is errors.NotNarrower
    assert narrowed.counts and passkeys.SESSION_LIFE
