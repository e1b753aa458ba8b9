"""A rotation of a test thing in the world of flow tests: make, announce, retire, with waits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from remediation import models as m
from remediation.domain import plan as plans
from remediation.domain.conditions import Sighting
from remediation.domain.events import Event
from tests import factories
from tests.factories import WEB, WORKER, WORKER_ACTOR, acting, entry, unguarded
from tests.flows.world import World

THING = "billing"
LOCATOR = f"test.thing:{THING}"
OLD, NEW = "tk-000000000000", "tk-00000000000a"
TARGET = {"kind": "test.thing", "name": THING}
MADE = {"made_by": 0, "name": "token_id"}
CONSUMERS: dict[str, dict[str, Any]] = {
    "billing-api": {"seen_as": "billing-api", "period_s": 0, "takes_by": "reload"},
    "billing-batch": {"seen_as": "billing-batch", "period_s": 86_400, "takes_by": "restart"},
    "invoice-mail": {"seen_as": "invoice-mail", "period_s": 900, "takes_by": "fetch"},
}


def wait(*conditions: str, person: bool = False, within_s: int = 1800) -> dict[str, Any]:
    return {
        "conditions": [{"condition": name, "step": 0} for name in conditions],
        "person": person,
        "within_s": within_s,
    }


def move_first(**after_make: Any) -> plans.Plan:
    """A new token, a wait, then the old one off."""
    steps = [
        {
            "action": "test.thing.make",
            "target": TARGET,
            "parameters": {"store": "file:billing"},
            "wait": after_make or wait("consumers_moved", "old_quiet"),
        },
        {"action": "test.thing.announce", "target": TARGET, "parameters": {"token_id": MADE}},
        {"action": "test.thing.retire", "target": TARGET, "parameters": {"token_id": OLD}},
    ]
    return parsed("move_first", steps)


def cut_first() -> plans.Plan:
    """The old token off at once and a new one made, then a wait."""
    steps = [
        {
            "action": "test.thing.rotate",
            "target": TARGET,
            "parameters": {"store": "file:billing", "token_id": OLD},
            "wait": wait("consumers_moved", within_s=7200),
        }
    ]
    return parsed("cut_first", steps)


def parsed(order: str, steps: list[dict[str, Any]]) -> plans.Plan:
    value = {"version": 2, "environment": "production", "order": order, "steps": steps}
    return plans.parse(value, protected=frozenset(), allow_test=True)


def consumers(names: tuple[str, ...] = tuple(CONSUMERS)) -> None:
    """Record the identity, and the services that use it, in the inventory."""
    identity = factories.identity(LOCATOR, kind="test.thing", environment="production")
    for name in names:
        service = factories.service(name, environment="production", criticality="high")
        factories.dependency(service, identity, **CONSUMERS[name])


def rotation(world: World, made: plans.Plan) -> m.Proposal:
    """Return a proposal of this plan that people can decide on."""
    like = m.Proposal.objects.get(pk=world.in_review())
    factories.move(like, "withdrawn", login=WEB, actor=like.agent.actor)
    consumers()
    for someone in world.people.values():
        for service in m.Service.objects.filter(name__in=CONSUMERS):
            factories.grant(someone.user, "review_service", service)
    proposal = factories.insert_proposal(
        made, diagnosis=like.diagnosis, agent=like.agent, token=like.token
    )
    factories.settle_inventory()
    world.assess(proposal.pk)
    proposal.refresh_from_db()
    return proposal


def begun(world: World, made: plans.Plan) -> m.Execution:
    """Return a run of this plan whose first step is confirmed."""
    proposal = rotation(world, made)
    world.decide("alice", proposal.pk)
    world.decide("bob", proposal.pk)
    run = factories.execution(proposal)
    factories.move(proposal, "executing")
    before = {"announced": "", "off": [], "tokens": [OLD]}
    for phase, data in (
        ("intended", {"snapshot": before}),
        ("applied", {"made": {"token_id": NEW, "version": "hitl-0123456789ab-1"}}),
        ("verified", {**before, "tokens": [OLD, NEW]}),
    ):
        record(run, 0, phase, data)
    return run


def record(run: m.Execution, step: int, phase: str, data: dict[str, Any]) -> None:
    locator = run.proposal.targets.get(step=step).locator
    with acting(WORKER):
        m.StepRecord.objects.create(
            execution=run,
            step=step,
            phase=phase,
            token=run.tokens[locator],
            data=json.loads(json.dumps(data)),
            entry=entry("worker:step:recorded", "worker:test", f"proposal:{run.proposal_id}"),
        )


def waits(
    run: m.Execution,
    *,
    conditions: Sequence[str] = (),
    person: bool = True,
    within_s: int = 1800,
) -> m.Wait:
    """Let the run wait after its first step."""
    asked = [{"condition": name, "step": 0} for name in conditions]
    made = factories.wait_for(run, 0, conditions=asked, person=person, within_s=within_s)
    made.refresh_from_db()
    return made


def sighting(condition: str, **said: Any) -> Sighting:
    """Return a look of now, with a source that is alive and complete since then."""
    now = datetime.now(UTC).replace(microsecond=0)
    usual: dict[str, Any] = {
        "at": now,
        "alive_at": now,
        "covers_since": now,
        "resolution_s": 60,
        "delay_s": 60,
    }
    return Sighting(condition, 0, **{**usual, **said})


def saw(
    wait: m.Wait, sightings: Sequence[Sighting], unmet: Sequence[tuple[str, str, str]] = ()
) -> m.WaitLook:
    """Record a look; `unmet` has, of each condition, its name, why it is not met, and a detail."""
    open_ = [
        {"condition": condition, "step": wait.step, "name": name, "detail": detail}
        for condition, name, detail in unmet
    ]
    with acting(WORKER):
        return m.WaitLook.objects.create(
            wait=wait,
            sightings=[one.to_json() for one in sightings],
            unmet=open_,
            met=not open_,
            entry=entry(
                Event.WORKER_WAIT_LOOKED, WORKER_ACTOR, f"proposal:{wait.execution.proposal_id}"
            ),
        )


def late(wait: m.Wait, detail: str = "") -> m.WaitOverdue:
    """Let the deadline have passed a minute ago, and record that."""
    with unguarded("remediation_wait"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE remediation_wait SET deadline = clock_timestamp() - interval '1 minute'"
            " WHERE id = %s",
            [wait.pk],
        )
    wait.refresh_from_db()
    with acting(WORKER):
        return m.WaitOverdue.objects.create(
            wait=wait,
            deadline=wait.deadline,
            detail=detail,
            entry=entry(
                Event.WORKER_WAIT_OVERDUE, WORKER_ACTOR, f"proposal:{wait.execution.proposal_id}"
            ),
        )
