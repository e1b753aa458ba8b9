"""Failed steps, lost answers and lost workers: one effect, settled by reading the target."""

from __future__ import annotations

from typing import Any

import pytest

from remediation import models as m
from tests.flows.conftest import MakeWorld
from tests.flows.world import World


def test_a_later_step_that_fails_stops_the_run_and_keeps_the_earlier_ones(
    make_world: MakeWorld,
) -> None:
    world = make_world("t1", "t2", "t3")
    proposal_id = world.approved()
    world.inject({"t3": {"fail_apply": True}})
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "stopped"
    assert [(c["call"], c["target"]) for c in world.calls()] == [("apply", "t1"), ("apply", "t2")]
    assert [world.state(name) for name in ("t1", "t2", "t3")] == ["off", "off", "on"]


def test_a_first_step_that_fails_leaves_nothing_to_undo(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"fail_apply": True}})
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "failed"
    assert world.calls() == []


def test_a40_an_unknown_outcome_is_settled_by_reading_never_by_a_second_call(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "unknown"
    world.execute(proposal_id)
    world.inject({})
    world.reconcile()
    assert world.state_of(proposal_id) == "succeeded"
    assert [call["call"] for call in world.calls()] == ["apply"]


def test_an_unknown_outcome_is_not_settled_while_its_lease_runs(world: World) -> None:
    from remediation.services.execution import reconcile
    from tests.factories import WORKER
    from tests.flows.world import WORKER_ACTOR, acts

    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})
    world.execute(proposal_id)
    with acts(WORKER):
        assert reconcile.reconcile(actor=WORKER_ACTOR) == 0
    assert world.state_of(proposal_id) == "unknown"


def test_an_unknown_outcome_stays_unknown_while_the_target_cannot_be_seen(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})
    world.execute(proposal_id)
    world.inject({"t1": {"unobservable": True}})
    world.reconcile()
    assert world.state_of(proposal_id) == "unknown"


def test_an_unknown_outcome_that_reads_as_not_applied_is_a_failure(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"unknown_apply": True}})
    world.execute(proposal_id)
    world.set_state("t1", "on")
    world.inject({})
    world.reconcile()
    assert world.state_of(proposal_id) == "failed"
    assert len(world.calls()) == 1


def test_drift_at_a_later_step_stops_the_run_and_keeps_what_was_applied(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remediation.executors import run
    from remediation.services.execution import confirm

    world = make_world("t1", "t2")
    proposal_id = world.approved()
    real = run.run_verify

    def somebody_changes_the_second_target(*given: Any) -> Any:
        world.set_state("t2", "off")
        return real(*given)

    monkeypatch.setattr(confirm, "run_verify", somebody_changes_the_second_target)
    world.execute(proposal_id)
    assert (world.state_of(proposal_id), world.state("t1")) == ("stopped", "off")
    assert world.refusals(proposal_id) == ["drift"]
    assert [call["target"] for call in world.calls()] == ["t1"]


def test_an_incident_stays_open_when_its_proposal_fails(world: World) -> None:
    proposal_id = world.approved()
    world.inject({"t1": {"fail_apply": True}})
    world.execute(proposal_id)
    assert not m.IncidentTransition.objects.exists()


def test_an_incident_is_contained_when_its_proposal_succeeds(world: World) -> None:
    world.execute(world.approved())
    assert m.IncidentTransition.objects.get().to_state == "contained"
