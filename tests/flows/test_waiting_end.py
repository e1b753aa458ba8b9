"""The end of a run behind the wait of its last step: the worker verifies it like any other step."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from pytest_django import Settings

from remediation import models as m
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import WAITING, Evidence
from remediation.domain.step import Step
from remediation.services import host_files
from remediation.services.actors import operator
from remediation.services.execution import export_evidence, freeze, look, reconcile
from remediation.services.load_plan import load_plan
from tests import factories
from tests.factories import WORKER
from tests.flows.waiting import WHY, Waiting
from tests.flows.world import WORKER_ACTOR, acts


@pytest.fixture
def world(
    db: None, tmp_path: Path, settings: Settings, django_capture_on_commit_callbacks: object
) -> Waiting:
    made = Waiting(tmp_path, settings, ("t1",), "production")
    made.order = "cut_first"
    made.steps = [made.retire(wait=made.wait(person=True))]
    return made


def waiting(world: Waiting) -> UUID:
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "waiting"
    return proposal_id


def test_a_verdict_of_somebody_else_ends_no_run(world: Waiting) -> None:
    """Whoever has the worker's database login calls an answer valid; the worker verifies it ."""
    proposal_id = waiting(world)
    factories.halt_verdict(world.answer("mallory", proposal_id))
    world.tick(2)
    assert world.state_of(proposal_id) == "waiting"
    assert m.Refusal.objects.get().reason == "hold_missing"
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_the_evidence_of_the_end_is_judged_again(world: Waiting) -> None:
    proposal_id = waiting(world)
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"
    with acts(WORKER):
        body = export_evidence.export(actor=operator(), proposal_id=proposal_id, after=0)
    evidence = Evidence.parse(body)
    assert (evidence.type, evidence.step, evidence.applied) == (WAITING, 0, (0,))
    findings = gate.examine(
        evidence, approvers=host_files.approvers(), now=evidence.database_now, allow_test=True
    )
    assert [one.number for one in findings if not one.result] == [7]  # needs the log's keys


def test_a_run_does_not_end_while_all_is_frozen(world: Waiting) -> None:
    proposal_id = waiting(world)
    world.answer("alice", proposal_id)
    with acts(WORKER):
        freeze.freeze(actor=operator(), reason=WHY)
    world.tick()
    assert world.state_of(proposal_id) == "waiting"
    with acts(WORKER):
        freeze.lift(actor=operator(), reason=WHY)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"


def test_the_database_takes_no_end_without_the_evidence_of_the_gate(world: Waiting) -> None:
    proposal_id = waiting(world)
    factories.halt_verdict(world.answer("alice", proposal_id))
    with pytest.raises(IntegrityError, match="evidence of the gate"), transaction.atomic():
        factories.move(world.get(proposal_id), "succeeded")


def test_a_run_whose_outcome_was_unknown_does_not_leave_out_its_last_wait(world: Waiting) -> None:
    """People were notified that its outcome is unknown; success would skip what they signed."""
    world.inject({"t1": {"unknown_apply": True}})
    proposal_id = world.approved()
    world.execute(proposal_id)
    assert world.state_of(proposal_id) == "unknown"
    world.tick(2)
    assert (world.state_of(proposal_id), m.Wait.objects.count()) == ("stopped", 0)
    assert world.reason_of(proposal_id) == "outcome_unknown"


def looked(world: Waiting, proposal_id: UUID) -> bool:
    with acts(WORKER):
        return look.look_at(world.get(proposal_id).incident_id, actor=WORKER_ACTOR)


def test_a_run_that_waits_keeps_nobody_from_looking(world: Waiting) -> None:
    """It may wait for weeks, and no call of it is in flight."""
    assert looked(world, waiting(world))


def test_a_look_during_which_a_run_that_waited_ended_is_not_recorded(
    world: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says nothing of what was so after the end, and no later look would follow it."""
    proposal_id = waiting(world)
    world.age("steprecord", hours=2)  # its end contains nothing: the next look decides
    world.answer("alice", proposal_id)
    see = look._see

    def meanwhile(step: Step | None) -> look.Seen:
        seen = see(step)
        monkeypatch.setattr(look, "_see", see)
        world.tick()
        return seen

    monkeypatch.setattr(look, "_see", meanwhile)
    assert not looked(world, proposal_id)
    assert world.state_of(proposal_id) == "succeeded"
    assert m.IncidentLook.objects.count() == 0 and m.IncidentTransition.objects.count() == 0


def test_a_run_that_began_to_wait_is_not_taken_for_one_whose_worker_died(world: Waiting) -> None:
    """The reconciler read it as running, and got its leases when the worker let it wait."""
    proposal_id = waiting(world)
    execution = m.Execution.objects.select_related("proposal__incident", "proposal__diagnosis").get(
        proposal_id=proposal_id
    )
    world.end_leases()
    with acts(WORKER):
        plan = load_plan(bytes(execution.proposal.plan))
        assert not reconcile._under_lease(execution, plan, None, actor=WORKER_ACTOR)
    assert world.state_of(proposal_id) == "waiting" and not world.refusals(proposal_id)
    world.answer("alice", proposal_id)
    world.tick()
    assert world.state_of(proposal_id) == "succeeded"
