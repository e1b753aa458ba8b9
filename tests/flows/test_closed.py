"""A closed incident's proposals do not run (A78)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.core.cache import cache
from django.db import transaction
from pytest_django import Settings

from remediation import models as m
from remediation.domain import errors
from remediation.domain.gate.steps import present
from remediation.services.execution import intend, preview_gate, reverse_run
from remediation.services.execution.run import Run
from remediation.services.reporting import withdraw
from tests import factories, stepup
from tests.database.attack import sql
from tests.factories import WEB
from tests.flows import role_world
from tests.flows.conftest import MakeWorld
from tests.flows.role_world import RoleWorld
from tests.flows.world import World, acts
from tests.servers import Addresses

pytestmark = pytest.mark.django_db
REASON = "The night shift ended it on the server."


@pytest.fixture
def roles(db: None, tmp_path: Path, settings: Settings, addresses: Addresses) -> RoleWorld:
    cache.clear()
    return role_world.make(tmp_path, settings, addresses)


def close(world: World, proposal_id: UUID, outcome: str = "handled_outside") -> None:
    with acts(WEB):
        stepup.close(world.people["alice"], world.get(proposal_id).incident, outcome, REASON)


def test_a78_what_was_approved_before_the_closure_does_not_run(roles: RoleWorld) -> None:
    proposal_id = roles.approved()
    close(roles, proposal_id)
    roles.execute(proposal_id)
    assert roles.state_of(proposal_id) == "refused"
    assert roles.refusals(proposal_id) == ["incident_closed"]
    assert roles.can_log_in() and roles.pg.changes() == 0
    roles.execute(proposal_id)
    assert roles.can_log_in() and not m.Execution.objects.exists()


def test_a78_the_guards_refuse_even_if_the_gate_does_not(
    roles: RoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present, "_incident", lambda case: None)
    proposal_id = roles.approved()
    close(roles, proposal_id)
    roles.execute(proposal_id)
    assert roles.state_of(proposal_id) == "refused"
    assert roles.refusals(proposal_id) == ["incident_closed"]
    assert roles.can_log_in() and roles.pg.changes() == 0


def test_a78_control_without_gate_and_guards_it_runs(
    roles: RoleWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(present, "_incident", lambda case: None)
    proposal_id = roles.approved()
    close(roles, proposal_id)
    with factories.as_owner():
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("transition", "steprecord"):
            sql(f"ALTER TABLE public.remediation_{table} DISABLE TRIGGER incident")
    roles.execute(proposal_id)
    assert roles.state_of(proposal_id) == "succeeded"
    assert not roles.can_log_in()


def test_a78_a_closure_between_two_steps_keeps_the_next_one_from_running(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    begin = intend.intend

    def meanwhile(run: Run, index: int) -> bool:
        close(world, proposal_id)
        return begin(run, index)

    monkeypatch.setattr(intend, "intend", meanwhile)
    world.execute(proposal_id)
    assert "t2" not in [call["target"] for call in world.calls()]
    assert world.state("t2") == "on"
    assert world.refusals(proposal_id) == ["incident_closed"]
    assert (1, "intended") not in world.phases(proposal_id)


def test_a78_a_closure_during_the_gate_of_the_next_step_comes_in_time(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate has read an open incident; the guard of `intended` still refuses."""
    world = make_world("t1", "t2")
    proposal_id = world.approved()
    record = intend.record_intended

    def meanwhile(*args: Any) -> None:
        close(world, proposal_id)
        record(*args)

    monkeypatch.setattr(intend, "record_intended", meanwhile)
    world.execute(proposal_id)
    assert world.state("t2") == "on"
    assert (1, "intended") not in world.phases(proposal_id)


def test_a_reversal_from_after_the_closure_runs(roles: RoleWorld) -> None:
    first = roles.approved()
    roles.execute(first)
    close(roles, first, "contained")
    with acts(WEB):
        new = reverse_run.propose(
            actor=roles.people["alice"].user, proposal_id=first, reason=REASON
        )
    roles.assess(new)
    roles.decide("mallory", new)
    roles.decide("bob", new)
    roles.execute(new)
    assert (roles.state_of(new), roles.can_log_in()) == ("succeeded", True)
    assert roles.moves(roles.incident(new)) == ["contained", "closed"]


def test_a78_a_reversal_from_before_the_closure_does_not(roles: RoleWorld) -> None:
    first = roles.approved()
    roles.execute(first)
    with acts(WEB):
        new = reverse_run.propose(
            actor=roles.people["alice"].user, proposal_id=first, reason=REASON
        )
    roles.assess(new)
    roles.decide("mallory", new)
    roles.decide("bob", new)
    close(roles, first, "contained")
    roles.execute(new)
    assert (roles.state_of(new), roles.can_log_in()) == ("refused", False)


def test_a78_nobody_decides_for_a_closed_incident_and_it_still_ends(world: World) -> None:
    proposal_id = world.in_review()
    world.decide("alice", proposal_id)
    close(world, proposal_id)
    with pytest.raises(errors.WrongState, match="the incident is closed"):
        world.decide("bob", proposal_id)
    assert world.state_of(proposal_id) == "in_review"
    findings = {one.number: one.result for one in preview_gate.preview(world.get(proposal_id))}
    assert getattr(findings[5], "reason", "") == "incident_closed"
    with acts(WEB), transaction.atomic():
        withdraw.withdraw(actor=world.agent, proposal_id=proposal_id, reason="over")
    assert world.state_of(proposal_id) == "withdrawn"


def test_contained_is_no_outcome_of_an_incident_that_is_not(roles: RoleWorld) -> None:
    proposal_id = roles.in_review()
    with pytest.raises(errors.WrongState, match="handled outside"):
        close(roles, proposal_id, "contained")
    assert roles.moves(roles.incident(proposal_id)) == []
    close(roles, proposal_id)
    assert roles.moves(roles.incident(proposal_id)) == ["closed"]
