"""The approved story with a rotation that has waited: make a token, wait, retire the old one.

alice and bob approved it; its consumers moved; the second step is due.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain import policy
from remediation.domain.conditions import Consumer, ConsumerSeen, Sighting, Use
from remediation.domain.gate.evidence import WAITING, Evidence
from remediation.domain.gate.signed_halt import SignedHalt
from remediation.domain.gate.waited import WaitEvidence
from remediation.domain.halt.statement import HaltStatement, RunDecision, seen_digest
from remediation.domain.holds import Mode
from remediation.domain.observation import Observation, Pinned
from remediation.domain.plan import Plan
from remediation.domain.scope import ScopeConsumer, ScopeTarget
from remediation.domain.waits import Condition
from tests.domain.story import (
    ALICE,
    APPROVED,
    KEYS,
    ORIGIN,
    PROPOSAL,
    RP_ID,
    Story,
    a_scope,
    a_service,
)
from tests.domain.thing_plans import MOVED, NEW, OLD, make, parsed, retire, second, wait

LOCATOR = "test.thing:one"
# The first step was applied a minute after the approval; the wait began ten seconds later.
APPLIED = APPROVED + timedelta(minutes=1)
SINCE = APPLIED + timedelta(seconds=10)
WAITED_S = 1_200
NOW = SINCE + timedelta(seconds=WAITED_S)
LOOKED = NOW - timedelta(seconds=30)
SHOP = Consumer("shop", "shop-pool", 0, "reload")
NIGHTLY = Consumer("nightly", "nightly", 86_400, "restart")
RECORD: dict[str, Json] = {"made": {"token_id": NEW}}
WHY = "All consumers were seen on it."

BEFORE = Observation(True, {"announced": "", "off": [], "tokens": [OLD]}, {}, True)
MADE = Pinned(LOCATOR, True, {"announced": "", "off": [], "tokens": [OLD, NEW]})


def a_rotation(*conditions: Json, person: bool = False, within_s: int = 3_600) -> Plan:
    conditions = conditions if conditions or person else (MOVED,)
    waiting = wait(*conditions, person=person, within_s=within_s)
    return parsed(second(make(wait=waiting), retire()))


def rotation_story(plan: Plan | None = None, **changes: Any) -> Story:
    plan = plan or a_rotation()
    targets = tuple(
        ScopeTarget(target.locator, True, target.kind, "production", "orders team")
        for target in dict.fromkeys(plan.targets)
    )
    scope = a_scope(
        targets=targets,
        services=(a_service(name="shop", via=LOCATOR),),
        consumers=(ScopeConsumer(LOCATOR, SHOP),),
    )
    story = Story(plan=plan, scope=scope, observation=BEFORE, version=2)
    return replace(story, **changes)


def rule(story: Story, mode: Mode = Mode.EVERY_PROPOSAL) -> Story:
    """Give the story today's ruling for its plan, with its holds."""
    asked = policy.evaluate(story.facts(), plan=story.plan, mode=mode)
    return replace(story, ruling=policy.rule(asked, APPROVED - timedelta(minutes=6)))


def moved(service: str = "shop", **changes: Any) -> ConsumerSeen:
    seen = ConsumerSeen(service, Use.MOVED, last_new=APPLIED + timedelta(minutes=2))
    return replace(seen, **changes)


def sighting(condition: str = "consumers_moved", **changes: Any) -> Sighting:
    seen = Sighting(
        condition=condition,
        step=0,
        at=LOOKED,
        alive_at=LOOKED,
        covers_since=APPLIED,
        resolution_s=60,
        delay_s=60,
        consumers=(moved(),) if condition == "consumers_moved" else (),
    )
    return replace(seen, **changes)


def answer_statement(
    person: str = ALICE, decision: RunDecision = RunDecision.GO_ON, **said: Any
) -> HaltStatement:
    usual = HaltStatement(
        decision=decision,
        proposal=PROPOSAL,
        round=1,
        plan="0" * 64,
        takes_back=(),
        reason=WHY,
        person=person,
        nonce=sha256(f"{person}{decision}".encode()).hexdigest(),
        expires=LOOKED + timedelta(minutes=5),
        rp_id=RP_ID,
        origin=ORIGIN,
        step=0,
        seen=seen_digest((sighting(),), RECORD),
        longer_s=3_600 if decision is RunDecision.LONGER else 0,
    )
    return replace(usual, **said)


def answer(composed: HaltStatement, key: str = "", **fields: Any) -> SignedHalt:
    """Sign an answer to the wait, which saw the usual page."""
    signed = KEYS[key or composed.person].assertion(
        composed.challenge(), composed.rp_id, composed.origin
    )
    usual = SignedHalt(
        composed.person,
        composed.decision,
        composed.reason,
        composed.body(),
        signed,
        LOOKED,
        (sighting(),),
        RECORD,
    )
    return replace(usual, **fields)


def says(plan: Plan, person: str = ALICE, decision: RunDecision = RunDecision.GO_ON, **said: Any
) -> SignedHalt:  # fmt: skip
    return answer(answer_statement(person, decision, plan=plan.digest, **said))


def a_wait(plan: Plan, **changes: Any) -> WaitEvidence:
    own = plan.steps[0].wait
    assert own is not None
    found = WaitEvidence(
        step=0,
        conditions=own.conditions,
        person=own.person,
        since=SINCE,
        deadline=SINCE + timedelta(seconds=own.within_s),
        sightings=tuple(sighting(one.name) for one in own.conditions),
        consumers=(ScopeConsumer(LOCATOR, SHOP),),
    )
    return replace(found, **changes)


def waited(
    plan: Plan | None = None, *, story: Story | None = None, at: datetime = NOW, **changes: Any
) -> Evidence:
    """Return the evidence for the step after the wait; with `wait` or `answers`, others."""
    story = story or rotation_story(plan)
    story = story if story.ruling else rule(story)
    one = changes.pop("wait", None) or a_wait(story.plan)
    one = replace(one, answers=changes.pop("answers", one.answers))
    return story.evidence(
        **{
            "type": WAITING,
            "step": 1,
            "applied": (0,),
            "observations": (MADE,),
            "database_now": at,
            "worker_now": at,
            "waits": (one,),
            "made": {0: {"token_id": NEW}},
            "applied_at": {0: APPLIED},
            "waited_s": WAITED_S,
            **changes,
        }
    )


def condition(name: str) -> Condition:
    return Condition(name, 0)
