"""Invalid halts: the worker refuses and records each by name, and the run continues.

Each is written as an attacker with the web process's database password could write it.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from django.core import mail
from django.db import Error

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors
from remediation.services.execution import clear_step, confirm, halt
from remediation.services.execution import judge_halt as halted
from remediation.services.execution.run import Run
from tests import factories
from tests.factories import WEB, WORKER, Person
from tests.flows.conftest import MakeWorld
from tests.flows.test_halt import WHY, meanwhile
from tests.flows.world import World, acts
from tests.passkey import SoftPasskey

__all__ = ["meanwhile"]  # a fixture
Meanwhile = Callable[[int, Callable[[], object]], None]
ALL_APPLIED = [("apply", "t1"), ("apply", "t2"), ("apply", "t3")]
SIGNED = (
    *("statement", "credential_id", "authenticator_data", "client_data_json"),
    *("signature", "cose_key"),
)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    made = make_world("t1", "t2", "t3")
    lena = factories.person("lena", roles=["lead"])
    made.people["lena"] = lena
    made.approve_keys_of("alice", "bob", leads=["lena"])
    return made


def calls(world: World) -> list[tuple[str, str]]:
    return [(call["call"], call["target"]) for call in world.calls()]


def forge(world: World, proposal_id: UUID, name: str = "alice", **said: Any) -> m.Halt:
    asked = {"decision": "undo", "reason": WHY, **said}
    return factories.halt(world.get(proposal_id), world.people[name], **asked)


def goes_on(world: World, proposal_id: UUID, refusals: Sequence[str]) -> None:
    """Check that every step ran and that each forgery is recorded as a named refusal."""
    assert calls(world) == ALL_APPLIED
    assert world.state_of(proposal_id) == "succeeded"
    verdicts = m.HaltVerdict.objects.order_by("id")
    assert [row.refusal for row in verdicts] == list(refusals)
    for row in verdicts:
        said = Entry.objects.get(pk=row.entry).data
        assert (said["action"], said["actor"]) == ("worker:halt:refused", "worker:test")
        assert said["object"] == f"proposal:{proposal_id}"
        assert said["data"]["refusal"] == row.refusal
        assert said["data"]["person"] == str(row.halt.person)
    assert world.refusals(proposal_id) == list(refusals)


def forge_with_own_key(world: World, proposal_id: UUID) -> m.Halt:
    """Forge a halt of alice with a key that the web process made and enrolled for her."""
    alice = world.people["alice"]
    return factories.halt(
        world.get(proposal_id),
        replace(alice, passkey=SoftPasskey.create()),
        decision="undo",
        reason=WHY,
    )


FORGERIES: dict[str, tuple[Callable[[World, Person], dict[str, Any]], str]] = {
    "random_bytes": (
        lambda w, a: {"columns": {"signature": secrets.token_bytes(70)}}, "signature",
    ),
    "nothing_but_a_byte_each": (
        lambda w, a: {"columns": {name: b"\x00" for name in SIGNED[1:]}}, "unknown_approver_key",
    ),
    "client_data_of_another_challenge": (
        lambda w, a: {"columns": {"client_data_json": b'{"type":"webauthn.get"}'}}, "signature",
    ),
    "another_origin": (lambda w, a: {"origin": "https://evil.example"}, "signature"),
    "takes_back_less_than_it_says": (lambda w, a: {"takes_back": ()}, "digest"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_halt_is_refused_by_name_and_the_run_goes_on(
    world: World, meanwhile: Meanwhile, name: str
) -> None:
    make, refusal = FORGERIES[name]
    proposal_id = world.approved()
    meanwhile(0, lambda: forge(world, proposal_id, **make(world, world.people["alice"])))
    world.execute(proposal_id)
    goes_on(world, proposal_id, [refusal])


def test_a_halt_by_a_key_that_web_made_itself_is_refused(
    world: World, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()
    meanwhile(0, lambda: forge_with_own_key(world, proposal_id))
    world.execute(proposal_id)
    goes_on(world, proposal_id, ["unknown_approver_key"])


def test_a_halt_of_another_run_signs_no_halt_of_this_one(
    world: World, meanwhile: Meanwhile
) -> None:
    """Replay alice's signature: the database refuses the same statement, the worker a new one."""
    first = world.approved()
    meanwhile(1, lambda: world.state_of(first) == "executing" and world.halt("alice", first, WHY))
    world.execute(first)
    assert world.state_of(first) == "rolled_back"
    old = m.Halt.objects.get()
    signed = {name: bytes(getattr(old, name)) for name in SIGNED}
    (world.directory / "calls.jsonl").unlink()
    second = world.approved()

    def replay() -> None:
        with pytest.raises(Error, match="halt_digest"):
            forge(world, second, columns=signed)
        forge(world, second, columns={n: v for n, v in signed.items() if n != "statement"})

    meanwhile(0, replay)
    world.execute(second)
    assert calls(world) == ALL_APPLIED
    assert world.state_of(second) == "succeeded"
    assert world.refusals(second) == ["signature"]


def test_the_signature_of_an_approval_is_no_halt(world: World, meanwhile: Meanwhile) -> None:
    proposal_id = world.approved()
    review = m.Review.objects.get(person=world.people["alice"].id)
    given = {name: bytes(getattr(review, name)) for name in SIGNED if name != "statement"}
    meanwhile(0, lambda: forge(world, proposal_id, columns=given))
    world.execute(proposal_id)
    goes_on(world, proposal_id, ["signature"])


def test_the_signature_of_a_halt_is_no_approval(world: World, meanwhile: Meanwhile) -> None:
    """The gate refuses the signature of alice's halt as the signature of a review."""
    first = world.approved()
    meanwhile(0, lambda: world.halt("alice", first, WHY))
    world.execute(first)
    halted = m.Halt.objects.get()
    given = {name: bytes(getattr(halted, name)) for name in SIGNED if name != "statement"}
    second = world.in_review()
    proposal = world.get(second)
    composed = factories.session(proposal, world.people["alice"], slot="security")
    factories.sign(composed, world.people["alice"], **given)
    world.decide("bob", second)
    assert world.state_of(second) == "approved"
    (world.directory / "calls.jsonl").unlink()
    world.execute(second)
    assert world.state_of(second) == "refused"
    assert calls(world) == []


def test_a_halt_by_a_person_outside_the_approvers_file_is_refused(
    world: World, meanwhile: Meanwhile
) -> None:
    """mallory has the role, an account and a passkey, and signs correctly."""
    proposal_id = world.approved()
    meanwhile(0, lambda: world.halt("mallory", proposal_id, WHY))
    world.execute(proposal_id)
    goes_on(world, proposal_id, ["unknown_approver_key"])


def test_a_key_that_was_taken_out_of_the_file_meanwhile_halts_nothing(
    world: World, meanwhile: Meanwhile
) -> None:
    """As after a lost passkey: alice's approval used the same key.

    No further step starts, and applied steps are rolled back for this reason, not by the halt.
    """
    proposal_id = world.approved()

    def halt_and_end() -> None:
        world.halt("alice", proposal_id, WHY)
        world.end_key_of("alice")

    meanwhile(0, halt_and_end)
    world.execute(proposal_id)
    assert world.refusals(proposal_id) == ["unknown_approver_key", "unknown_approver_key"]
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None and end.reason == "unknown_approver_key"


def test_a_forged_halt_does_not_block_a_real_one_of_the_same_person(
    world: World, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()

    def both() -> None:
        forge(world, proposal_id, columns={"signature": b"\x00" * 70})
        forge(world, proposal_id, "bob", columns={"signature": b"\x00" * 70})
        world.halt("alice", proposal_id, WHY)

    meanwhile(0, both)
    world.execute(proposal_id)
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
    assert world.state_of(proposal_id) == "rolled_back"
    assert world.refusals(proposal_id) == ["signature", "signature", "halted"]
    verdicts = list(m.HaltVerdict.objects.order_by("id").values_list("refusal", flat=True))
    assert verdicts == ["signature", "signature", ""]


def test_a_halt_after_a_refused_one_is_honoured(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.approved()
    verify = confirm.first_look

    def verify_then(run: Run, index: int) -> bool:
        if index == 0:
            forge(world, proposal_id, columns={"signature": b"\x00" * 70})
        if index == 1:
            world.halt("bob", proposal_id, WHY)
        with acts(WORKER):
            return verify(run, index)

    monkeypatch.setattr(confirm, "first_look", verify_then)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "rolled_back"
    assert ("apply", "t2") in calls(world) and ("apply", "t3") not in calls(world)
    assert world.refusals(proposal_id) == ["signature", "halted"]


def test_a_forged_halt_between_question_and_step_is_refused_under_the_lock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The halt comes while the worker runs the gate; its verdict and the step's row are written in
    one transaction."""
    proposal_id = world.approved()
    clear = clear_step.clear
    forged: list[m.Halt] = []

    def clear_then(run: Run, index: int) -> Any:
        found = clear(run, index)
        if index == 1 and not forged:
            with acts("hitl_owner"):
                forged.append(forge(world, proposal_id, columns={"signature": b"\x00" * 70}))
        return found

    monkeypatch.setattr(clear_step, "clear", clear_then)
    world.execute(proposal_id)
    assert forged
    goes_on(world, proposal_id, ["signature"])


def test_a_real_halt_between_question_and_step_stops_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.approved()
    clear = clear_step.clear

    def clear_then(run: Run, index: int) -> Any:
        found = clear(run, index)
        if index == 1:
            with acts("hitl_owner"):
                world.halt("alice", proposal_id, WHY)
        return found

    monkeypatch.setattr(clear_step, "clear", clear_then)
    world.execute(proposal_id)
    assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
    assert world.refusals(proposal_id) == ["halted"]


def test_the_lead_is_notified_once_of_a_forged_halt(
    world: World,
    meanwhile: Meanwhile,
    django_capture_on_commit_callbacks: Callable[..., Any],
) -> None:
    proposal_id = world.approved()

    def twice() -> None:
        for _ in range(2):
            forge(world, proposal_id, columns={"signature": b"\x00" * 70})

    meanwhile(0, twice)
    mail.outbox.clear()
    with django_capture_on_commit_callbacks(execute=True):
        world.execute(proposal_id)
    world.deliver()
    told = [message for message in mail.outbox if "about the run was refused" in message.subject]
    assert len(told) == 1
    assert told[0].to == [world.people["lena"].user.email]
    assert "signature, signature" in str(told[0].body)


def test_without_the_approvers_file_a_halt_is_neither_refused_nor_believed(
    world: World, meanwhile: Meanwhile
) -> None:
    """No further step starts, and the run keeps what it applied. The halt has no verdict yet."""
    proposal_id = world.approved()
    path = world.directory / "approvers.json"
    kept = path.read_bytes()

    def halt_without_file() -> None:
        world.halt("alice", proposal_id, WHY)
        path.unlink()

    meanwhile(0, halt_without_file)
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state("t1")) == ("stopped", "off")
    assert not m.HaltVerdict.objects.exists()
    assert ("apply", "t2") not in calls(world)
    path.write_bytes(kept)
    world.reconcile()
    assert world.state_of(proposal_id) == "rolled_back"
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None and end.reason == "halted"


def test_a_signature_that_comes_after_the_run_ended_is_too_late(
    world: World, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()
    started: list[halt.Started] = []
    user = world.people["alice"].user

    def begin() -> None:
        with acts(WEB):
            started.append(
                halt.start(actor=user, proposal_id=proposal_id, decision="undo", reason=WHY)
            )

    meanwhile(0, begin)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    answer = world.assertion("alice", started[0])
    with acts(WEB), pytest.raises(errors.WrongState):
        halt.sign(actor=user, session_id=started[0].session_id, assertion=answer)
    assert not m.Halt.objects.exists()


def test_one_signature_halts_once(world: World, meanwhile: Meanwhile) -> None:
    proposal_id = world.approved()
    user = world.people["alice"].user

    def twice() -> None:
        with acts(WEB):
            started = halt.start(actor=user, proposal_id=proposal_id, decision="undo", reason=WHY)
            answer = world.assertion("alice", started)
            halt.sign(actor=user, session_id=started.session_id, assertion=answer)
            with pytest.raises(errors.SessionUsed):
                halt.sign(actor=user, session_id=started.session_id, assertion=answer)

    meanwhile(0, twice)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "rolled_back"


def test_another_persons_session_and_key_are_refused(world: World, meanwhile: Meanwhile) -> None:
    proposal_id = world.approved()
    alice, bob = world.people["alice"].user, world.people["bob"].user

    def try_all() -> None:
        with acts(WEB):
            started = halt.start(actor=alice, proposal_id=proposal_id, decision="undo", reason=WHY)
            answer = world.assertion("alice", started)
            with pytest.raises(errors.NoSuchObject):
                halt.sign(actor=bob, session_id=started.session_id, assertion=answer)
            with pytest.raises(errors.SignatureInvalid):
                halt.sign(
                    actor=alice,
                    session_id=started.session_id,
                    assertion=world.assertion("bob", started),
                )

    meanwhile(0, try_all)
    world.execute(proposal_id)
    assert not m.Halt.objects.exists()
    assert world.state_of(proposal_id) == "succeeded"


def test_who_lost_the_right_between_starting_and_signing_halts_nothing(
    world: World, meanwhile: Meanwhile
) -> None:
    proposal_id = world.approved()
    lena = world.people["lena"].user

    def leave() -> None:
        with acts(WEB):
            started = halt.start(actor=lena, proposal_id=proposal_id, decision="undo", reason=WHY)
        with factories.as_owner():
            lena.groups.clear()
        with acts(WEB), pytest.raises(errors.NoSuchObject):
            halt.sign(
                actor=lena,
                session_id=started.session_id,
                assertion=world.assertion("lena", started),
            )

    meanwhile(0, leave)
    world.execute(proposal_id)
    assert not m.Halt.objects.exists()


@pytest.mark.parametrize("holds", [True, False])
def test_a40_a_worker_that_dies_while_it_records_what_it_found_leaves_nothing(
    world: World, meanwhile: Meanwhile, monkeypatch: pytest.MonkeyPatch, holds: bool
) -> None:
    """Verdict and refusal are in one transaction; the next worker verifies again."""
    proposal_id = world.approved()
    record = halted._record

    class Died(BaseException):
        """Nothing in the worker catches it."""

    def record_and_die(*given: Any) -> None:
        record(*given)
        raise Died

    broken = {} if holds else {"columns": {"signature": b"\x00" * 70}}
    meanwhile(0, lambda: forge(world, proposal_id, **broken))
    monkeypatch.setattr(halted, "_record", record_and_die)
    with pytest.raises(Died):
        world.execute(proposal_id)
    assert not m.HaltVerdict.objects.exists()
    assert world.refusals(proposal_id) == []
    monkeypatch.setattr(halted, "_record", record)
    world.reconcile()
    if holds:
        assert calls(world) == [("apply", "t1"), ("rollback", "t1")]
        assert world.state_of(proposal_id) == "rolled_back"
    else:
        goes_on(world, proposal_id, ["signature"])
