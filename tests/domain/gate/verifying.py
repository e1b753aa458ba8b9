"""Ask the gate about the story's evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.gate import gate
from remediation.domain.gate.evidence import (
    Evidence,
)
from remediation.domain.gate.gate import Clearance
from remediation.domain.scope import ScopeTarget
from tests.domain import record
from tests.domain.story import (
    TARGET,
    Story,
    a_plan,
    a_scope,
    approvers,
)

GOOD = Story().evidence()


def verify(evidence: Evidence, *, now: datetime | None = None, **changes: Any) -> Clearance:
    given_ = {
        "approvers": approvers(),
        "now": now or evidence.database_now,
        "monotonic": 50.0,
        "log": record.trust(),
    }
    return gate.verify(evidence, **{**given_, **changes})


def roll_back(evidence: Evidence, **changes: Any) -> Clearance:
    given_ = {"approvers": approvers(), "now": evidence.database_now, "monotonic": 50.0}
    return gate.verify_rollback(evidence, **{**given_, **changes})


def at(moment: datetime, **changes: Any) -> Evidence:
    return replace(GOOD, database_now=moment, worker_now=moment, **changes)


def step(role: str) -> dict[str, Json]:
    return {
        "action": "postgres.role.disable",
        "target": {**TARGET, "role": role},
        "parameters": {},
    }


def two_steps() -> Story:
    plan = a_plan(steps=[step("app_orders"), step("app_billing")])
    targets = tuple(
        ScopeTarget(target.locator, True, "postgres.role", "production", "x")
        for target in plan.targets
    )
    return Story(plan=plan, scope=a_scope(targets=targets))
