"""Reversing a successful run: a new proposal that other people decide on, through the gate."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.domain import errors, plan
from remediation.domain.gate import gate
from remediation.domain.gate.approvers import Approvers
from remediation.domain.gate.finding import Failure
from remediation.services.execution import reverse_run
from remediation.services.reporting import supersede, withdraw
from remediation.services.review import report_agent
from remediation.services.review.gather import gather
from remediation.services.review.reversal import inverse_plan
from tests import factories
from tests.factories import WEB, WORKER, acting, entry, walk
from tests.flows.world import World, acts

pytestmark = pytest.mark.django_db
WHY = "The role belongs to the nightly report."
DONE = ["applied", "verified"]
PIN = {"superuser": False, "member_of_managed": True, "oid": 4711}


@pytest.fixture
def world(db: None, tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


def steps(*roles: str) -> list[Any]:
    return [
        {
            "action": "postgres.role.disable",
            "target": {"kind": "postgres.role", "cluster": "crm", "role": role},
            "parameters": {},
        }
        for role in roles
    ]


def succeeded(world: World, before: dict[str, bool]) -> m.Proposal:
    """Return a run that disabled login of these roles; ``before`` says whether each had it."""
    made = plan.parse(
        {"version": 1, "environment": "staging", "steps": steps(*before)},
        protected=frozenset(),
    )
    return ended(world, made, before, {role: DONE for role in before}, "succeeded")


def ended(
    world: World, made: plan.Plan, before: dict[str, bool], phases: dict[str, list[str]], end: str
) -> m.Proposal:
    """Return a run of this plan that ended so; a role without phases has not begun."""
    like = m.Proposal.objects.get(pk=world.in_review())
    factories.move(like, "withdrawn", login=WEB, actor=like.agent.actor)
    service = m.Service.objects.get()
    for step in made.steps:
        factories.dependency(service, factories.identity(step.target.locator, kind="postgres.role"))
    proposal = factories.insert_proposal(
        made, diagnosis=like.diagnosis, agent=like.agent, token=like.token
    )
    factories.settle_inventory()
    world.assess(proposal.pk)
    world.decide("alice", proposal.pk)
    world.decide("bob", proposal.pk)
    run = factories.execution(proposal)
    factories.move(proposal, "executing")
    for step in made.steps:
        role = step.target.fields["role"]
        for phase in ("intended", *phases[role]) if role in phases else ():
            record(run, step.index, phase, data_of(phase, before[role]))
    if end == "stopped":  # as people may say of an unknown run, whatever its steps say
        factories.move(proposal, "unknown")
    factories.move(proposal, end)
    return proposal


def data_of(phase: str, before: bool) -> dict[str, Any]:
    if phase == "intended":
        return {"snapshot": {**PIN, "login": before}}
    return {**PIN, "login": False, "sessions": 0} if phase == "verified" else {}


def record(run: m.Execution, step: int, phase: str, data: dict[str, Any]) -> None:
    locator = run.proposal.targets.get(step=step).locator
    with acting(WORKER):
        m.StepRecord.objects.create(
            execution=run,
            step=step,
            phase=phase,
            token=run.tokens[locator],
            data=data,
            entry=entry("worker:step:recorded", "worker:test", f"proposal:{run.proposal_id}"),
        )


def propose(world: World, name: str, proposal_id: UUID, reason: str = WHY) -> UUID:
    with acts(WEB):
        return reverse_run.propose(
            actor=world.people[name].user, proposal_id=proposal_id, reason=reason
        )


def actions(proposal_id: UUID) -> list[tuple[str, str]]:
    body = bytes(m.Proposal.objects.get(pk=proposal_id).plan)
    made = plan.load(body, protected=frozenset())
    return [(step.action, step.target.fields["role"]) for step in made.steps]


def test_changed_steps_are_reversed_last_first(world: World) -> None:
    old = succeeded(world, {"a": True, "idle": False, "b": True})
    new = propose(world, "alice", old.pk)
    # The role that had no login before gets none.
    assert actions(new) == [("postgres.role.enable", "b"), ("postgres.role.enable", "a")]
    made = m.Proposal.objects.get(pk=new)
    assert (made.state, made.incident_id) == ("submitted", old.incident_id)
    assert made.editor == world.people["alice"].id
    assert WHY in made.rationale and str(old.pk) in made.rationale
    said = Entry.objects.get(pk=made.entry).data
    assert said["actor"] == world.people["alice"].actor
    # It waits for the worker like any proposal; nothing is executed.
    assert (
        m.OutboxMessage.objects.filter(proposal=new).values_list("kind", flat=True)[0] == "assess"
    )
    assert m.Proposal.objects.get(pk=old.pk).state == "succeeded"


def test_a11_the_proposer_of_a_reversal_cannot_decide_on_it_and_others_can(world: World) -> None:
    old = succeeded(world, {"a": True})
    new = propose(world, "alice", old.pk)
    world.assess(new)
    with pytest.raises(errors.Separation, match="edited the plan"):
        world.decide("alice", new)
    world.decide("mallory", new)
    world.decide("bob", new)
    assert world.state_of(new) == "approved"


def test_a_second_reversal_is_refused_while_one_waits(world: World) -> None:
    old = succeeded(world, {"a": True})
    assert propose(world, "alice", old.pk) == propose(world, "bob", old.pk)


@pytest.mark.parametrize("state", ["in_review", "approved", "executing", "rolled_back", "failed"])
def test_only_a_successful_run_can_be_reversed(world: World, state: str) -> None:
    proposal_id = world.in_review()
    if state != "in_review":
        world.decide("alice", proposal_id)
        world.decide("bob", proposal_id)
    if state in ("executing", "rolled_back", "failed"):
        run = factories.execute(world.get(proposal_id))
        if state == "rolled_back":
            factories.step(run, "applied")
            walk._undo(run)
        elif state == "failed":
            factories.step(run, "failed")
        if state != "executing":
            factories.move(run.proposal, state)
    with pytest.raises(errors.WrongState):
        propose(world, "alice", proposal_id)


def test_a_run_without_changes_or_without_an_inverse_is_not_reversed(world: World) -> None:
    with pytest.raises(errors.WrongState):
        propose(world, "alice", succeeded(world, {"idle": False}).pk)
    # test.noop is rolled back from a snapshot only; it has no inverse action.
    noop = world.approved()
    world.execute(noop)
    assert world.state_of(noop) == "succeeded"
    with pytest.raises(errors.WrongState):
        propose(world, "alice", noop)


@pytest.mark.parametrize(
    ("name", "refusal"),
    [("dave", errors.Separation), ("eve", errors.Separation), ("carol", errors.NotEntitled)],
)
def test_a12_only_people_who_may_halt_may_propose_a_reversal(
    world: World, name: str, refusal: type[errors.Refused]
) -> None:
    world.people["carol"] = factories.person(roles=["auditor"])
    old = succeeded(world, {"a": True})
    with pytest.raises(refusal):
        propose(world, name, old.pk)


@pytest.mark.parametrize("reason", ["", "too short", "hidden \u202e text here"])
def test_a_reversal_needs_a_readable_reason(world: World, reason: str) -> None:
    old = succeeded(world, {"a": True})
    with pytest.raises(errors.Refused) as caught:
        propose(world, "alice", old.pk, reason)
    assert caught.value.name in ("reason_required", "bad_value")


def test_a_step_without_a_recorded_former_state_is_not_reversed(world: World) -> None:
    """A step settled by reading is recorded as applied, without its former state."""
    old = succeeded(world, {"a": True})
    with factories.unguarded("remediation_steprecord"):
        m.StepRecord._base_manager.filter(phase="verified").update(data={"settled": "applied"})
    with pytest.raises(errors.WrongState):
        propose(world, "alice", old.pk)


# ---- the agent of the reversed run is suspended --------------------------------------------------


def suspend(world: World) -> None:
    row = m.Agent.objects.get(pk=world.agent.agent_id)
    factories.agent_version(row, world.people["dave"], enabled=False)


def gathered(proposal_id: UUID) -> Any:
    proposal = m.Proposal.objects.select_related("diagnosis").get(pk=proposal_id)
    with acts(WORKER):
        made = plan.load(bytes(proposal.plan), protected=frozenset())
        return gather(proposal, made, observations={}, failures={})


def freshness(proposal_id: UUID) -> str:
    """Return the refusal of the gate's step 5; "" when it holds."""
    evidence = gathered(proposal_id)
    found = gate.examine(evidence, approvers=Approvers(()), now=evidence.database_now)
    result = next(f.result for f in found if f.name == "freshness")
    return result.reason if isinstance(result, Failure) else ""


def undone(world: World, *, by: str = "alice") -> UUID:
    """Make a reversal, approved by mallory and bob, of a run whose agent is now suspended."""
    world.approve_keys_of("alice", "bob", "mallory")
    old = succeeded(world, {"a": True})
    suspend(world)
    new = propose(world, by, old.pk)
    world.assess(new)
    world.decide("mallory", new)
    world.decide("bob", new)
    assert world.state_of(new) == "approved"
    return new


def test_people_can_reverse_a_run_of_a_suspended_agent(world: World) -> None:
    new = undone(world)
    proposal = m.Proposal.objects.get(pk=new)
    assert proposal.reverses is not None and proposal.reverses.state == "succeeded"
    assert freshness(new) == ""
    evidence = gathered(new)
    assert not evidence.agent.enabled
    assert evidence.reversal.plan == proposal.plan_digest
    assert evidence.reversal.proposer.person == str(world.people["alice"].id)
    said = Entry.objects.get(pk=proposal.entry).data
    assert said["data"]["reverses"] == str(proposal.reverses_id)


@pytest.mark.parametrize("how", ["inactive", "no role"])
def test_a16_the_proposer_must_stay_active_until_the_reversal_runs(world: World, how: str) -> None:
    new = undone(world)
    alice = world.people["alice"].user
    if how == "inactive":
        m.User.objects.filter(pk=alice.pk).update(is_active=False)
    else:
        alice.groups.clear()
    assert freshness(new) == "proposer_lost"


def test_a16_the_proposer_must_stay_active_until_the_reversal_is_approved(world: World) -> None:
    old = succeeded(world, {"a": True})
    suspend(world)
    new = propose(world, "alice", old.pk)
    world.assess(new)
    world.people["alice"].user.groups.clear()
    with pytest.raises(errors.ProposerLost):
        world.decide("bob", new)
    # Dissent is always accepted.
    world.decide("bob", new, "reject")


def test_a11_a_person_without_a_role_cannot_propose_a_reversal(world: World) -> None:
    old = succeeded(world, {"a": True})
    m.User.objects.filter(pk=world.people["alice"].user.pk).update(is_active=False)
    world.people["alice"].user.refresh_from_db()
    with pytest.raises(errors.NoSuchObject):
        propose(world, "alice", old.pk)


def test_a11_the_people_of_the_agent_are_excluded_from_the_reversal_too(world: World) -> None:
    """Owner and token maker, though the agent is not checked, and the person who corrected."""
    world.approve_keys_of("alice", "bob", "mallory", "dave", "eve")
    old = succeeded(world, {"a": True})
    suspend(world)
    for name in ("dave", "eve"):
        with pytest.raises(errors.Separation):
            propose(world, name, old.pk)
    new = propose(world, "alice", old.pk)
    world.assess(new)
    for name in ("dave", "eve", "alice"):
        with pytest.raises(errors.Separation):
            world.decide(name, new)


def test_an_agents_proposal_with_the_same_plan_is_no_reversal(world: World) -> None:
    """A suspended agent proposed the same inverse plan: it stays refused, and a
    person's reversal is a separate proposal."""
    old = succeeded(world, {"a": True})
    back = inverse_plan(old)
    assert back is not None
    dressed = factories.insert_proposal(
        back, diagnosis=old.diagnosis, agent=old.agent, token=old.token
    )
    world.assess(dressed.pk)
    suspend(world)
    with pytest.raises(errors.AgentDisabled):
        world.decide("bob", dressed.pk)
    assert propose(world, "alice", old.pk) != dressed.pk


def test_a43_a_forged_reversal_is_compared_with_the_inverse_plan(world: World) -> None:
    """Two steps changed something and the plan reverses one. Each of its steps reverses one of the
    run, so the database accepts it, but the gate refuses."""
    world.approve_keys_of("alice", "bob", "mallory")
    old = succeeded(world, {"a": True, "b": True})
    suspend(world)
    body = json.loads(factories.load(old).body)
    step = {"action": "postgres.role.enable", "target": body["steps"][0]["target"]}
    half = plan.parse(
        {"version": 1, "environment": "staging", "steps": [{**step, "parameters": {}}]},
        protected=frozenset(),
    )
    dressed = factories.insert_proposal(
        half,
        diagnosis=old.diagnosis,
        agent=old.agent,
        token=old.token,
        editor=world.people["alice"].id,
        reverses=old,
    )
    world.assess(dressed.pk)
    world.decide("mallory", dressed.pk)
    world.decide("bob", dressed.pk)
    back = inverse_plan(old)
    assert back is not None and back.digest != dressed.plan_digest
    # Step 1 refuses the difference (tests/domain/gate/test_gate_reversals.py).
    assert gathered(dressed.pk).reversal.plan == back.digest


def test_a16_the_guard_checks_the_proposer_when_the_service_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A43: the guard of the review's row checks the same as the service."""
    old = succeeded(world, {"a": True})
    suspend(world)
    new = propose(world, "alice", old.pk)
    world.assess(new)
    world.people["alice"].user.groups.clear()
    monkeypatch.setattr(report_agent, "check_proposer", lambda proposal: None)
    with pytest.raises(errors.ProposerLost):
        world.decide("bob", new)


# ---- a reversal belongs to the person, though its agent and token are the run's ---------------


def test_the_agent_cannot_withdraw_the_reversal_of_its_run(world: World) -> None:
    """A12: otherwise its owner could keep the run's effect with the agent's token."""
    old = succeeded(world, {"a": True})
    new = propose(world, "alice", old.pk)
    with acts(WEB), pytest.raises(errors.NoSuchObject):
        withdraw.withdraw(actor=world.agent, proposal_id=new, reason="Not needed.")
    with acts(WEB), pytest.raises(errors.NoSuchObject):
        supersede.supersede(
            actor=world.agent,
            proposal_id=new,
            plan=factories.load(old),
            rationale="Again.",
            reason="Not needed.",
        )
    assert world.state_of(new) == "submitted"


def test_a_reversal_whose_proposer_left_does_not_block_another(world: World) -> None:
    """A16: nobody can approve it any more, so the next person gets a new one."""
    old = succeeded(world, {"a": True})
    first = propose(world, "alice", old.pk)
    world.people["alice"].user.groups.clear()
    second = propose(world, "mallory", old.pk)
    assert second != first
    assert propose(world, "mallory", old.pk) == second
    world.assess(second)
    world.decide("bob", second)


# ---- a stopped run -----------------------------------------------------------------------------


def stopped(world: World, before: dict[str, bool], phases: dict[str, list[str]]) -> m.Proposal:
    """Return a stopped run; ``phases`` are those of each step after `intended`, by role."""
    made = plan.parse(
        {"version": 1, "environment": "staging", "steps": steps(*before)},
        protected=frozenset(),
    )
    return ended(world, made, before, phases, "stopped")


def test_a_stopped_run_is_reversed_as_far_as_the_record_shows_a_change(world: World) -> None:
    """Confirmed, or applied and not confirmed; not what had no login, nor what never began."""
    old = stopped(
        world,
        {"seen": True, "idle": False, "unseen": True, "never": True},
        {"seen": DONE, "idle": DONE, "unseen": ["applied"]},
    )
    new = propose(world, "alice", old.pk)
    assert actions(new) == [("postgres.role.enable", "unseen"), ("postgres.role.enable", "seen")]
    assert "stopped and kept" in m.Proposal.objects.get(pk=new).rationale
    assert world.state_of(old.pk) == "stopped"


@pytest.mark.parametrize(
    ("before", "phases"),
    [
        (True, ["failed"]),  # the call changed nothing
        (False, ["applied"]),  # nobody saw it applied, and the role had no login before
        (True, ["unknown"]),  # nobody says that it was applied
        (True, ["applied", "undo_intended", "undone"]),
    ],
)
def test_a_stopped_run_that_changed_nothing_has_no_reversal(
    world: World, before: bool, phases: list[str]
) -> None:
    with factories.unguarded("remediation_steprecord"):
        old = stopped(world, {"a": before}, {"a": phases})
    with pytest.raises(errors.WrongState, match="nothing that this run changed"):
        propose(world, "alice", old.pk)
