"""Only people give access back (promise 11): what a run applied stays, whatever happens then.

Each attack has its control: with the guard taken away, the target shows that the attack works.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core import mail

from remediation import models as m
from remediation.domain import errors
from remediation.domain.catalogue.test import NOOP
from remediation.executors import run as executors
from remediation.services import host_files
from remediation.services.execution import (
    confirm,
    execute,
    in_flight,
    rollback,
)
from remediation.services.execution import run as runs
from remediation.services.review import report_agent
from tests import factories, stepup
from tests.factories import WEB, WORKER
from tests.flows.conftest import MakeWorld
from tests.flows.world import WORKER_ACTOR, World, acts

WHY = "The shop stands still tonight."


def at_verify(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Do something between a step's call and its confirmation, once."""
    real, done = executors.run_verify, []

    def first(*given: Any) -> Any:
        if not done:
            done.append(True)
            act()
        return real(*given[:3], host_files.targets())

    monkeypatch.setattr(confirm, "run_verify", first)


def undo_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: take both guards away, and let a run undo what it applied when it ends."""

    def end(run: runs.Run, reason: str) -> None:
        for index in reversed(run.applied):
            executors.run_rollback(
                rollback._clear(run, index),
                run.body,
                index,
                host_files.targets(),
                run.snapshots[index],
            )
        conclude(run, reason)

    conclude = runs.end
    monkeypatch.setattr(runs, "end", end)


# ---- A64: what cannot be ended is said, and nothing is undone ----------------------------------


@pytest.fixture
def left_open(world: World) -> Path:
    """A session of the target that no call ends, while this file exists."""
    path = world.directory / "session"
    path.touch()
    world.inject({"t1": {"open": str(path)}})
    return path


def lapse(proposal_id: UUID) -> None:
    """Let run-within pass."""
    for row in m.Transition.objects.filter(proposal_id=proposal_id, to_state="approved"):
        factories.backdate(row, hours=30)


def test_a64_a_session_that_does_not_end_keeps_the_login_off(world: World, left_open: Path) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.phases(proposal_id) == [(0, "intended"), (0, "applied")]
    assert (world.state_of(proposal_id), world.state()) == ("executing", "off")
    world.reconcile()
    assert world.state_of(proposal_id) == "executing"
    lapse(proposal_id)
    world.reconcile()
    assert (world.state_of(proposal_id), world.state()) == ("stopped", "off")
    record = m.StepRecord.objects.get(phase="unconfirmed")
    assert record.data["open"] == ["session of t1"]
    calls = [call["call"] for call in world.calls()]
    assert calls[0] == "apply" and set(calls[1:]) == {"tighten"}


def test_a64_control_an_undo_by_itself_gives_the_role_back(
    world: World, left_open: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undo_by_itself(monkeypatch)
    proposal_id = world.approved()
    world.execute(proposal_id)
    lapse(proposal_id)
    world.reconcile()
    assert world.state() == "on"


def test_a64_a_session_that_ends_later_confirms_the_step(world: World, left_open: Path) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    left_open.unlink()
    world.reconcile()
    assert world.state_of(proposal_id) == "succeeded"
    assert m.StepRecord.objects.get(phase="verified").data["points"][0]["without_access"] is True


def test_a64_a_freeze_pauses_the_attempts_and_the_time_goes_on(
    world: World, left_open: Path
) -> None:
    proposal_id = world.approved()
    world.execute(proposal_id)
    before = len(world.calls())
    factories.freeze(True)
    world.reconcile()
    assert len(world.calls()) == before
    lapse(proposal_id)
    world.reconcile()
    assert (world.state_of(proposal_id), world.state()) == ("stopped", "off")


# ---- A65: who may neither decide nor halt gives nothing back -----------------------------------


def _agent_reported(world: World) -> None:
    """The agent's owner, who may neither decide nor halt, reports the agent."""
    dave, about, why = (
        world.people["dave"],
        m.Proposal.objects.get(),
        "It reports nonsense all day.",
    )
    with acts(WEB):
        proof = stepup.proof(dave, report_agent.reporting(about, why))
        report_agent.report(actor=dave.user, proposal_id=about.pk, reason=why, proof=proof)


def _target_away(world: World) -> None:
    world.inject({"t2": {"unobservable": True}})


def _role_taken(world: World) -> None:
    with acts("hitl_owner"):
        world.people["alice"].user.groups.clear()


def _log_away(world: World) -> None:
    world.settings.AUDIT_POLICY_FILE = str(world.directory / "nothing")


CAUSES = [_agent_reported, _target_away, _role_taken, _log_away]


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_a65_a_refusal_of_a_later_step_gives_nothing_back(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, cause: Callable[[World], None]
) -> None:
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: cause(world))
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    assert (world.state("t1"), world.state("t2")) == ("off", "on")
    assert [call["call"] for call in world.calls()] == ["apply"]


def test_a65_control_an_undo_by_itself_gives_it_back(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    undo_by_itself(monkeypatch)
    at_verify(monkeypatch, lambda: _target_away(world))
    world.execute(proposal_id)
    assert world.state("t1") == "on"


# ---- A67: a read that lags is no failure -------------------------------------------------------


@pytest.fixture
def spreading() -> Iterator[None]:
    """Declare that the test action spreads for five minutes."""
    # Declarations are frozen; a test of the core may not depend on a provider's number.
    object.__setattr__(NOOP, "propagation_s", 300)
    yield
    object.__setattr__(NOOP, "propagation_s", 0)


def test_a67_a_stale_read_is_waited_for(world: World, spreading: None) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"stale": True}})
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state()) == ("executing", "off")
    world.reconcile()
    assert world.phases(proposal_id) == [(0, "intended"), (0, "applied")]
    world.inject({})
    world.reconcile()
    assert world.state_of(proposal_id) == "succeeded"
    assert [call["call"] for call in world.calls()] == ["apply"]


def test_a67_when_the_declared_time_is_over_people_are_told(
    world: World, spreading: None, django_capture_on_commit_callbacks: Any
) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"stale": True}})
    world.execute(proposal_id)
    factories.backdate(m.StepRecord.objects.get(phase="applied"), minutes=6)
    with django_capture_on_commit_callbacks(execute=True):
        world.reconcile()
    assert (world.state_of(proposal_id), world.state()) == ("stopped", "off")
    world.deliver()
    assert "stopped (not confirmed)" in mail.outbox[-1].body


def test_a67_without_propagation_a_contrary_read_stops_at_once(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"stale": True}})
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state()) == ("stopped", "off")


def test_a67_a_target_that_cannot_be_read_for_a_moment_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.inject({"t1": {"unobservable": True}}))
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state()) == ("executing", "off")
    world.inject({})
    world.reconcile()
    assert world.state_of(proposal_id) == "succeeded"


# ---- A66: an undoing looks first ---------------------------------------------------------------


def halted_run(world: World, monkeypatch: pytest.MonkeyPatch) -> UUID:
    """A run of two steps that alice halts, to undo it, while the first is being confirmed."""
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.halt("alice", proposal_id, WHY))
    return proposal_id


def test_a66_a_signed_undo_restores_what_the_step_left(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("t1", "t2")
    proposal_id = halted_run(world, monkeypatch)
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state("t1")) == ("rolled_back", "on")


def test_a66_an_undo_does_nothing_to_a_target_that_somebody_changed(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("t1", "t2")
    proposal_id = halted_run(world, monkeypatch)
    real = rollback._observe

    def changed(*given: Any) -> Any:
        world.set_state("t1", "locked by its owner")
        return real(*given)

    monkeypatch.setattr(rollback, "_observe", changed)
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state("t1")) == ("stopped", "locked by its owner")
    assert m.StepRecord.objects.get(phase="undo_failed").data["refusal"] == "not_as_left"
    assert [call["call"] for call in world.calls()] == ["apply"]


def _dies_in_the_undoing(world: World, monkeypatch: pytest.MonkeyPatch) -> UUID:
    proposal_id = halted_run(world, monkeypatch)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rollback, "run_rollback", killed)
        with pytest.raises(KeyboardInterrupt):
            world.execute(proposal_id)
    assert world.phases(proposal_id)[-1] == (0, "undo_intended")
    return proposal_id


def test_a66_an_undo_that_a_dead_worker_began_is_not_repeated(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner may have taken the access away again by hand: it looks as the step left it."""
    world = make_world("t1", "t2")
    proposal_id = _dies_in_the_undoing(world, monkeypatch)
    world.set_state("t1", "off")
    world.reconcile()
    assert (world.state_of(proposal_id), world.state("t1")) == ("stopped", "off")
    assert m.StepRecord.objects.get(phase="undo_failed").data["refusal"] == "unsettled"


def test_a66_control_without_the_look_the_owners_change_is_lost(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("t1", "t2")
    _dies_in_the_undoing(world, monkeypatch)
    world.set_state("t1", "off")
    monkeypatch.setattr(rollback, "_require_restored", lambda run, index, _: executors.run_rollback(
        rollback._clear(run, index), run.body, index, host_files.targets(),
        run.snapshots[index],
    ))  # fmt: skip
    world.reconcile()
    assert world.state("t1") == "on"


def test_a66_a_finished_undo_of_a_dead_worker_is_read(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("t1", "t2")
    proposal_id = _dies_in_the_undoing(world, monkeypatch)
    world.set_state("t1", "on")
    world.reconcile()
    assert (world.state_of(proposal_id), world.state("t1")) == ("rolled_back", "on")


# ---- A73: a call may be in flight while the database's clock jumps -----------------------------


def test_a73_nothing_is_settled_before_the_lease_was_seen_for_its_length(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})
    world.execute(proposal_id)
    world.set_state("t1", "on")  # the call has not arrived yet
    world.inject({})
    world.end_leases()  # the database's clock has jumped
    clock = time.monotonic()
    monkeypatch.setattr(in_flight.time, "monotonic", lambda: clock)
    from remediation.services.execution import reconcile

    with acts(WORKER):
        assert reconcile.reconcile(actor=WORKER_ACTOR) == 0
        clock += in_flight.WATCH_S - 1
        assert reconcile.reconcile(actor=WORKER_ACTOR) == 0
        assert world.state_of(proposal_id) == "unknown"
        clock += 1
        assert reconcile.reconcile(actor=WORKER_ACTOR) == 1
    assert world.state_of(proposal_id) == "failed"


def test_a73_control_by_the_databases_clock_alone_it_is_settled_at_once(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})
    world.execute(proposal_id)
    world.set_state("t1", "on")
    world.inject({})
    world.reconcile()  # the helper takes the watch away
    assert world.state_of(proposal_id) == "failed"


def test_a73_a_late_result_is_a_fact_with_an_alarm(
    world: World, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """Another worker settled the run as not applied; then the first call's answer comes."""
    factories.person(roles=["lead"])
    proposal_id = world.approved()
    real = executors.run_apply

    def slow(*given: Any) -> Any:
        world.reconcile()
        return real(*given)

    monkeypatch.setattr(execute, "run_apply", slow)
    with django_capture_on_commit_callbacks(execute=True), pytest.raises(errors.Refused):
        world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state()) == ("failed", "off")
    late = m.LateResult.objects.get()
    assert (late.step, late.phase) == (0, "applied")
    world.deliver()
    assert any("came too late" in sent.subject for sent in mail.outbox)
