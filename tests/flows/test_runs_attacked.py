"""Runs in the way of others, late results, and what is left of a stopped run (A65, A73)."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from remediation import models as m
from remediation.domain.gate.approvers import Approvers
from remediation.domain.plan import Plan
from remediation.domain.plan import parse as parse_plan
from remediation.services.execution import (
    in_flight,
    propose_rest,
    reconcile,
    rollback,
)
from tests import factories
from tests.factories import WORKER
from tests.flows.conftest import MakeWorld
from tests.flows.test_stop_and_keep import at_verify
from tests.flows.world import WORKER_ACTOR, World, acts

WHY = "The shop stands still tonight."

pytestmark = pytest.mark.django_db


def since_long(world: World) -> None:
    """The approvers have been in the file for a year."""
    path = world.directory / "approvers.json"
    entries = Approvers.parse(path.read_bytes()).entries
    long = tuple(replace(e, since=e.since - timedelta(days=365)) for e in entries)
    path.write_bytes(Approvers(long).dump())


def noted(world: World, note: str) -> Plan:
    steps = json.loads(world.plan().body)
    for step in steps["steps"]:
        step["parameters"] = {"note": note}
    return parse_plan(steps, protected=frozenset(), allow_test=True)


def test_an_undo_of_a_week_ago_gives_no_access_back_when_an_unknown_run_is_read(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undo signed while it ran; the outcome is unknown for a week (target away); alice lost her
    key and role since. Then the target answers, and a week-old signature gives access back."""
    world = make_world("t1")
    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})

    from remediation.executors import noop

    real = noop.TestFiles.write

    def write(self: Any, state: str) -> None:
        real(self, state)
        if state == "off":
            world.halt("alice", proposal_id, WHY, "undo")

    monkeypatch.setattr(noop.TestFiles, "write", write)
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "unknown"
    world.inject({"t1": {"unobservable": True}})
    for row in [
        *m.Halt.objects.all(),
        *m.StepRecord.objects.all(),
        *m.Transition.objects.filter(proposal_id=proposal_id),
    ]:
        factories.backdate(row, days=7)
    since_long(world)
    world.reconcile()
    assert world.state_of(proposal_id) == "unknown"
    monkeypatch.setattr(noop.TestFiles, "write", real)
    world.inject({})
    from django.core.cache import cache

    cache.clear()
    world.reconcile()
    assert (world.state_of(proposal_id), world.state()) == ("succeeded", "off")


def test_a_late_result_of_an_undoing_is_a_fact(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rollback's call hangs; another worker takes over and gives up; then access comes back."""
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.inject({"t2": {"fail_apply": True}}))
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    world.halt("alice", proposal_id, WHY, "undo")
    real = rollback.run_rollback
    seen: list[str] = []

    def slow(*given: Any) -> Any:
        if not seen:
            seen.append("x")
            # The machine pauses; leases run out; another worker looks: still off, so it gives up.
            world.reconcile()
            seen.append(world.state_of(proposal_id))
        return real(*given)

    monkeypatch.setattr(rollback, "run_rollback", slow)
    world.reconcile()
    print(seen, world.phases(proposal_id), world.state())
    assert world.state() == "on"  # the call took effect
    assert (0, "undone") in world.phases(proposal_id) or m.LateResult.objects.exists()


@pytest.mark.parametrize("tried", [False, True], ids=["control", "attack"])
def test_a_refused_proposal_on_the_same_target_does_not_keep_a_run_from_being_settled(
    world: World, monkeypatch: pytest.MonkeyPatch, tried: bool
) -> None:
    """A died in its call. B is approved for the same target and stays approved (frozen): each try
    of B claims and releases the lease, so A's lease never looks unchanged for its length."""
    first = world.approved()
    other = noted(world, "another plan for the same target")
    world.plan = lambda: other  # type: ignore[method-assign]
    second = world.approved()
    assert first != second
    world.inject({"t1": {"unknown_apply": True}})
    from remediation.services.execution import execute

    world.execute(first)
    assert world.state_of(first) == "unknown"
    world.set_state("t1", "on")  # the call has not arrived yet
    world.inject({})
    factories.freeze(True)
    in_flight._seen.clear()
    now = [time.monotonic()]
    monkeypatch.setattr(in_flight.time, "monotonic", lambda: now[0])
    world.integrate()
    world.end_leases()
    for _ in range(30):  # ten minutes, B is sent again every 20 s (sweep's back-off is 2 to 60 s)
        with acts(WORKER):
            if tried:
                execute.execute(second, actor=WORKER_ACTOR)
            reconcile.reconcile(actor=WORKER_ACTOR)
        now[0] += 20
    assert world.state_of(second) == "approved"
    assert world.state_of(first) == "failed"


def test_the_rest_of_a_stopped_run_has_what_was_undone_again(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Step 1 confirmed and undone, step 2 applied and its undoing refused: still `stopped`."""
    world = make_world("t1", "t2", "t3")
    proposal_id = world.approved()
    at_verify(monkeypatch, lambda: world.inject({"t3": {"fail_apply": True}}))
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    world.halt("alice", proposal_id, WHY, "undo")
    world.inject({"t2": {"fail_rollback": True}})
    world.reconcile()
    assert (world.state("t1"), world.state("t2")) == ("on", "off")
    rest = propose_rest.rest_of(world.get(proposal_id))
    assert rest is not None
    assert [s.target.fields["name"] for s in rest.steps] == ["t1", "t3"]
