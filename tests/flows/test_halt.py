"""Halts between steps: they stop the run before the next step and cause nothing else."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from audit.models import Entry
from audit.tlog import bundle, incident
from audit.tlog.errors import Missing
from audit.tlog.rules import default
from audit.verifying import verify
from remediation import models as m
from remediation.domain import errors
from remediation.services.actors import operator
from remediation.services.execution import confirm, rollback
from remediation.services.execution import export_bundle as service
from remediation.services.execution.run import Run
from tests import factories
from tests.domain import record
from tests.factories import WORKER, Person
from tests.flows.conftest import MakeWorld
from tests.flows.world import World, acts

WHY = "It is the key of the build host."


def stop(world: World, name: str, proposal_id: UUID, reason: str = WHY) -> m.Halt:
    return world.halt(name, proposal_id, reason)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """A plan of three steps."""
    return make_world("t1", "t2", "t3")


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], object]], None]:
    """`meanwhile(0, act)` calls `act` when the worker is about to verify step 0."""

    def plan(at: int, act: Callable[[], object]) -> None:
        verify = confirm.first_look

        def verify_then(run: Run, index: int) -> bool:
            if index == at:
                act()
            with acts(WORKER):
                return verify(run, index)

        monkeypatch.setattr(confirm, "first_look", verify_then)

    return plan


def calls(world: World) -> list[tuple[str, str]]:
    return [(call["call"], call["target"]) for call in world.calls()]


def test_a_halted_run_begins_no_further_step_and_is_rolled_back(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()
    meanwhile(1, lambda: stop(world, "alice", proposal_id))
    world.execute(proposal_id)
    assert calls(world) == [
        ("apply", "t1"), ("apply", "t2"), ("rollback", "t2"), ("rollback", "t1"),
    ]  # fmt: skip
    assert world.state_of(proposal_id) == "rolled_back"
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None and end.reason == "halted"
    assert world.refusals(proposal_id) == ["halted"]
    assert (2, "intended") not in world.phases(proposal_id)


def test_a_kept_run_begins_no_further_step_and_keeps_what_was_applied(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()
    meanwhile(0, lambda: world.halt("alice", proposal_id, WHY, "keep"))
    world.execute(proposal_id)
    assert calls(world) == [("apply", "t1")]
    assert (world.state("t1"), world.state("t2")) == ("off", "on")
    assert world.state_of(proposal_id) == "stopped"
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None and end.reason == "halted"
    assert (1, "intended") not in world.phases(proposal_id)


def test_an_undo_wins_over_a_keep_whoever_was_first(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()

    def both() -> None:
        world.halt("alice", proposal_id, WHY, "keep")
        world.halt("bob", proposal_id, WHY, "undo")

    meanwhile(0, both)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "rolled_back"
    assert world.state("t1") == "on"


def test_a_forged_undo_beside_a_real_keep_gives_nothing_back(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    """A65: alice keeps; the undo in bob's name is written with the password of `hitl_web`."""
    proposal_id = world.approved()

    def both() -> None:
        world.halt("alice", proposal_id, WHY, "keep")
        factories.halt(
            world.get(proposal_id),
            world.people["bob"],
            decision="undo",
            columns={"signature": b"\0" * 70},
        )

    meanwhile(0, both)
    world.execute(proposal_id)
    assert calls(world) == [("apply", "t1")] and world.state("t1") == "off"
    assert world.state_of(proposal_id) == "stopped"


def test_an_undo_while_the_last_step_is_being_confirmed_undoes_the_whole_run(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()
    meanwhile(2, lambda: world.halt("alice", proposal_id, WHY, "undo"))
    world.execute(proposal_id)
    assert [world.state(name) for name in ("t1", "t2", "t3")] == ["on", "on", "on"]
    assert world.state_of(proposal_id) == "rolled_back"


def test_a_kept_run_is_undone_by_a_signature_within_the_hour(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()
    meanwhile(0, lambda: world.halt("alice", proposal_id, WHY, "keep"))
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    world.halt("bob", proposal_id, WHY, "undo")
    world.reconcile()
    assert world.state("t1") == "on"
    assert world.state_of(proposal_id) == "rolled_back"


def test_a_kept_run_that_was_changed_by_hand_is_not_undone(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    """A66: the target is not as the step left it, so the undo does nothing to it."""
    proposal_id = world.approved()
    meanwhile(0, lambda: world.halt("alice", proposal_id, WHY, "keep"))
    world.execute(proposal_id)
    world.set_state("t1", "locked")
    world.halt("bob", proposal_id, WHY, "undo")
    world.reconcile()
    assert world.state("t1") == "locked"
    assert calls(world) == [("apply", "t1")]
    assert world.state_of(proposal_id) == "stopped"


def test_a_halt_is_on_record_with_its_reason_before_it_is_answered(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()
    found: list[m.Halt] = []
    meanwhile(0, lambda: found.append(stop(world, "bob", proposal_id)))
    world.execute(proposal_id)
    said = Entry.objects.get(pk=found[0].entry).data
    assert said["action"] == "person:execution:halted"
    assert said["actor"] == world.people["bob"].actor
    assert said["object"] == f"proposal:{proposal_id}"
    assert said["data"]["statement"]["reason"] == WHY


def test_a_rollback_that_the_target_refuses_leaves_the_run_stopped(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"fail_rollback": True}})
    meanwhile(1, lambda: stop(world, "alice", proposal_id))
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None and end.reason == "rollback_failed"
    assert (world.state("t1"), world.state("t2")) == ("off", "on")


def test_a_halt_is_refused_when_the_last_step_has_started(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    """A person must not believe that the halt stopped something."""
    proposal_id = world.approved()

    def too_late() -> None:
        with pytest.raises(errors.WrongState, match="no step is left"):
            world.halt("alice", proposal_id, WHY, "keep")

    meanwhile(2, too_late)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert not m.Halt.objects.exists()


@pytest.mark.parametrize("state", ["submitted", "in_review", "approved", "succeeded"])
def test_a_halt_is_refused_when_nothing_runs(world: World, state: str) -> None:
    proposal_id = world.submit() if state == "submitted" else world.in_review()
    if state in ("approved", "succeeded"):
        world.decide("alice", proposal_id)
        world.decide("bob", proposal_id)
    if state == "succeeded":
        world.execute(proposal_id)
    before = (world.calls(), m.OutboxMessage.objects.count())
    with pytest.raises(errors.WrongState):
        stop(world, "alice", proposal_id)
    assert world.state_of(proposal_id) == state
    assert (world.calls(), m.OutboxMessage.objects.count()) == before


def test_a12_who_may_halt_is_one_rule(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    """Approvers of the slots and leads may halt; involved people and readers may not."""
    lena = factories.person("lena", roles=["lead"])
    carol = factories.person("carol", roles=["auditor"])
    stranger = factories.person("stranger", roles=["security"])
    world.people |= {"lena": lena, "carol": carol, "stranger": stranger}
    world.approve_keys_of("alice", "bob", leads=["lena"])
    proposal_id = world.approved()
    refused = {
        "dave": errors.Separation,
        "eve": errors.Separation,
        "carol": errors.NotEntitled,
        "stranger": errors.NoSuchObject,
    }

    def all_try() -> None:
        for name, refusal in refused.items():
            with pytest.raises(refusal):
                stop(world, name, proposal_id)
        stop(world, "lena", proposal_id)

    meanwhile(0, all_try)
    world.execute(proposal_id)
    assert m.Halt.objects.get().person == lena.id
    assert world.state_of(proposal_id) == "rolled_back"


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        ("", errors.ReasonRequired),
        ("   no     ", errors.ReasonRequired),
        ("x" * 501, errors.TooLarge),
        ("stop it now \u202e please", errors.BadValue),
        ("stop it now \x00 please", errors.BadValue),
    ],
)
def test_a_halt_needs_a_reason_that_can_be_read(
    world: World, reason: str, refusal: type[errors.Refused]
) -> None:
    proposal_id = world.approved()
    with pytest.raises(refusal):
        stop(world, "alice", proposal_id, reason)


def test_a16_who_lost_the_role_meanwhile_halts_nothing(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()
    alice: Person = world.people["alice"]

    def leave() -> None:
        with factories.as_owner():
            alice.user.groups.clear()
        with pytest.raises(errors.NoSuchObject):
            stop(world, "alice", proposal_id)

    meanwhile(0, leave)
    world.execute(proposal_id)
    assert not m.Halt.objects.exists()


def test_a40_a_run_whose_worker_died_after_the_halt_is_rolled_back_by_who_settles_it(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    proposal_id = world.approved()

    class Died(BaseException):
        """An exception that nothing in the worker catches."""

    def halt_and_die() -> None:
        stop(world, "alice", proposal_id)
        raise Died

    meanwhile(1, halt_and_die)
    with pytest.raises(Died):
        world.execute(proposal_id)
    assert world.state_of(proposal_id) == "executing"
    world.reconcile()
    assert world.state_of(proposal_id) == "rolled_back"
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None and end.reason == "halted"
    assert ("apply", "t3") not in calls(world)


def test_a40_a_rollback_that_a_dead_worker_began_is_settled_by_reading(
    world: World,
    meanwhile: Callable[[int, Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proposal_id = world.approved()

    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    meanwhile(1, lambda: stop(world, "alice", proposal_id))
    monkeypatch.setattr(rollback, "run_rollback", die)
    with pytest.raises(Died):
        world.execute(proposal_id)
    monkeypatch.undo()
    world.set_state("t2", "on")  # its call arrived
    world.reconcile()
    end = m.Transition.objects.filter(proposal_id=proposal_id).last()
    assert end is not None and (end.to_state, end.reason) == ("rolled_back", "halted")
    assert (world.state("t1"), world.state("t2")) == ("on", "on")


def test_an_outsider_reads_the_halt_in_the_bundle_and_that_something_ran(
    world: World, meanwhile: Callable[[int, Callable[[], object]], None]
) -> None:
    """The bundle contains the halt's entry; without the entry of the run it fails."""
    proposal_id = world.approved()
    meanwhile(0, lambda: stop(world, "alice", proposal_id))
    world.execute(proposal_id)
    world.integrate()
    with acts(WORKER):
        made = service.make(world.get(proposal_id).incident_id, actor=operator())
        raw = b"".join(made)
    found = bundle.verify(raw, record.POLICY, verify=verify)
    said = [entry.said for entry in found.entries if entry.action == "person:execution:halted"]
    assert [row["data"]["statement"]["reason"] for row in said] == [WHY]
    entries = [e for e in found.entries if e.action != "worker:proposal:executing"]
    halted = [e for e in entries if not e.action.startswith("worker:")]
    with pytest.raises(Missing, match="halted, rests on worker:proposal:executing"):
        incident.check_rests(halted, default())
