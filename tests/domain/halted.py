"""A run of three steps that alice halts, with fixed people, keys and times."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from remediation.domain.gate.signed_halt import HaltedRun, SignedHalt
from remediation.domain.halt.statement import Found, HaltStatement, RunDecision, signed_steps
from remediation.domain.plan import parse
from tests.domain.story import ALICE, EVE, KEYS, NOW, ORIGIN, RP_ID, Story

PROPOSAL = Story().evidence().proposal_id
OTHER = "0f0f0f0f-0000-4000-8000-000000000009"
PLAN = parse(
    {
        "version": 1,
        "environment": "production",
        "steps": [
            {
                "action": "postgres.role.disable",
                "executor": 1,  # the stored vector's
                "target": {"kind": "postgres.role", "cluster": "crm", "role": role},
                "parameters": {},
            }
            for role in ("a", "b", "c")
        ],
    },
    protected=frozenset(),
    earlier=True,
)
RUN = HaltedRun(PROPOSAL, 1, PLAN, ("security", "service_owner"), {EVE: "owner of the agent"})
WHY = "It is the key of the build host."


def statement(
    person: str = ALICE, decision: RunDecision = RunDecision.UNDO, **said: Any
) -> HaltStatement:
    usual = HaltStatement(
        decision=decision,
        proposal=PROPOSAL,
        round=1,
        plan=PLAN.digest,
        takes_back=signed_steps(decision, PLAN),
        reason=WHY,
        person=person,
        nonce="0" * 32,
        expires=NOW + timedelta(minutes=5),
        rp_id=RP_ID,
        origin=ORIGIN,
        found=Found.APPLIED if decision is RunDecision.SETTLE else Found.NOTHING_SAID,
    )
    return replace(usual, **said)


def signed(composed: HaltStatement, key: str = "", **fields: Any) -> SignedHalt:
    made = KEYS[key or composed.person].assertion(
        composed.challenge(), composed.rp_id, composed.origin
    )
    usual = SignedHalt(
        composed.person, composed.decision, composed.reason, composed.body(), made, NOW
    )
    return replace(usual, **fields)
