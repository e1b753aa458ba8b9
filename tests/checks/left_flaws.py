"""Proposals with one planted flaw: what was opened before outlives the plan."""

from __future__ import annotations

from remediation.domain.checks import Neighbour
from remediation.domain.observation import Observation
from tests.checks.records import case
from tests.checks.right_roles import orders_role
from tests.checks.sample import Sample
from tests.checks.tale import Tale, aws, key


def token_left() -> Tale:
    """The key made credentials for twelve hours; without the key they go on."""
    record = case("exfiltration-ec2-share-ebs-snapshot")[0]
    call = {"eventName": "GetSessionToken", "eventSource": "sts.amazonaws.com"}
    made = {**record, **call, "requestParameters": {"durationSeconds": 43_200}}
    claims = [
        ("The key shared a snapshot (ModifySnapshotAttribute).", [0]),
        ("It made credentials for twelve hours (GetSessionToken).", [1]),
    ]
    return aws([record, made], [key(record)], claims)


def group_role_kept() -> Tale:
    """A role loses a membership, and nine sessions of it may have taken the other role on."""
    tale = orders_role()
    tale.steps[0]["action"] = "postgres.membership.revoke"
    tale.retarget(kind="postgres.membership", granted="orders_write")
    seen = Observation(True, {"membership": True}, {"sessions": 9, "older_sessions": 9}, False)
    at = "postgres.membership:orders-db/app_orders/orders_write"
    tale.world["observations"], tale.world["neighbours"] = {at: seen}, (Neighbour(at),)
    return tale


LEFT_FLAWS: tuple[Sample, ...] = tuple(
    Sample(f"sessions_left_open: {make.__name__}", make, "sessions_left_open")
    for make in (token_left, group_role_kept)
)
