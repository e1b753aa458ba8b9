"""A halt together with other failures between two steps (A40 to A42)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest

from remediation import models as m
from remediation.domain.errors import Refused
from remediation.services.execution import confirm
from remediation.services.execution.run import Run
from tests import factories
from tests.factories import WORKER
from tests.flows.conftest import MakeWorld
from tests.flows.world import World, acts

EVENTS = ("", "halt", "freeze", "crash", "drift", "fail")
PAIRS = [(a, b) for a in EVENTS for b in EVENTS if "halt" in (a, b)]


class Died(BaseException):
    """An exception that nothing in the worker catches, as if the worker died."""


def happen(world: World, proposal_id: UUID, event: str, index: int) -> None:
    """Cause the failure when step ``index`` is about to be verified."""
    following = world.targets[index + 1]
    if event == "halt":
        try:
            world.halt("alice", proposal_id, "It is the wrong account.")
        except Refused as refused:
            assert refused.name == "wrong_state"  # the second of two
    elif event == "freeze":
        factories.freeze()
    elif event == "drift":
        world.set_state(following, "off")
    elif event == "fail":
        world.inject({following: {"fail_apply": True}})
    elif event == "crash":
        raise Died


@pytest.mark.parametrize("events", PAIRS, ids=lambda pair: "-".join(e or "nothing" for e in pair))
def test_a_halted_run_ends_and_is_undone_with_every_other_failure(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch, events: tuple[str, str]
) -> None:
    world = make_world("t1", "t2", "t3")
    proposal_id = world.approved()
    verify: Callable[[Run, int], bool] = confirm.first_look
    left: dict[int, str] = dict(enumerate(events))

    def verify_then(run: Run, index: int) -> bool:
        happen(world, proposal_id, left.pop(index, ""), index)
        with acts(WORKER):
            return verify(run, index)

    monkeypatch.setattr(confirm, "first_look", verify_then)
    try:
        world.execute(proposal_id)
    except Died:
        assert world.state_of(proposal_id) == "executing"
    for _ in range(3):
        try:
            world.reconcile()
        except Died:
            continue
    check(world, proposal_id)


def check(world: World, proposal_id: UUID) -> None:
    halts = m.Halt.objects.filter(proposal_id=proposal_id)
    if not halts.exists():  # the other failure ended the run first: it keeps what it applied
        assert world.state_of(proposal_id) == "stopped"
        assert (world.state("t1"), world.state("t3")) == ("off", "on")
        return
    assert world.state_of(proposal_id) == "rolled_back"
    calls: Counter[tuple[str, str]] = Counter(
        (call["call"], call["target"]) for call in world.calls()
    )
    assert set(calls.values()) <= {1}
    applied = {target for call, target in calls if call == "apply"}
    assert {target for call, target in calls if call == "rollback"} == applied
    assert "t3" not in applied
    assert all(world.state(target) == "on" for target in applied)
    halted: Any = m.Halt.objects.filter(proposal_id=proposal_id).first()
    if halted is not None:
        later = m.StepRecord.objects.filter(phase="intended", entry__gt=halted.entry)
        assert not later.exists()
