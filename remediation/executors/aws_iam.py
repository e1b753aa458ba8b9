"""Calls to IAM for one key: a look, which several reads must agree on, and its changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget, account
from remediation.executors.aws_client import (
    changing,
    client_of,
    operating_client,
    reading,
    uncut,
)
from remediation.executors.aws_errors import Spreading
from remediation.executors.base import Deadline
from remediation.executors.targets import Targets

# How many reads in a row must agree in one look.
READS = 3
# No call of a look begins later than this after its first one.
LOOK_SECONDS = 10.0
# AWS allows two keys per user; one page holds a hundred.
MOST_PAGES = 5

Keys = dict[str, dict[str, Any]]  # a user's keys by id, as IAM lists them


def look(step: Step, targets: Targets) -> Observation:
    """Read the key. Raises TargetUnobservable, or Spreading when reads disagree."""
    fields = step.target.fields
    target = account(targets, fields["account"])
    with reading(step):
        client = client_of(target, *target.observe())
        key_id = fields["access_key_id"]
        keys = agreed(client, fields["user"], lambda keys: status_in(keys, key_id))
        if key_id not in keys:
            return Observation(False, {}, {}, target.simulated)
        used = client.get_access_key_last_used(AccessKeyId=key_id)
        return _observation(key_id, keys, used["AccessKeyLastUsed"], target)


def agreed(client: Any, user: str, said: Callable[[Keys], str]) -> Keys:
    """Return the user's keys, when READS reads in a row say the same. Raises Spreading."""
    late = Deadline.within(LOOK_SECONDS)
    first: str | None = None
    for _ in range(READS):
        keys = keys_of(client, user, late)
        if late.passed:
            raise TargetUnobservable("IAM answers too slowly")
        now = said(keys)
        if first not in (None, now):
            raise Spreading(f"reads of IAM disagree ({first}, then {now}): it still spreads")
        first = now
        client.close()  # the next call opens a new connection, perhaps to another front end
    return keys


def status_in(keys: Keys, key_id: str) -> str:
    """Return a key's status in a list of keys, in words."""
    return str(keys[key_id]["Status"]) if key_id in keys else "not there"


def keys_of(client: Any, user: str, late: Deadline) -> Keys:
    """Return the user's keys by id; none if the user does not exist.

    Raises TargetUnobservable for a list that has no end, or takes too long.
    """
    keys: Keys = {}
    try:
        pages = client.get_paginator("list_access_keys").paginate(UserName=user)
        for number, page in enumerate(pages, start=1):
            if late.passed or number > MOST_PAGES:
                raise TargetUnobservable("IAM's list of keys does not end")
            keys |= {key["AccessKeyId"]: key for key in page["AccessKeyMetadata"]}
    except client.exceptions.NoSuchEntityException:
        return {}
    return keys


def user_exists(client: Any, user: str) -> bool:
    """Return whether the account has this user."""
    return user_of(client, user) is not None


def user_of(client: Any, user: str) -> dict[str, Any] | None:
    """Return the user with its tags; None if the account does not have it."""
    try:
        found: dict[str, Any] = client.get_user(UserName=user)["User"]
    except client.exceptions.NoSuchEntityException:
        return None
    return found


def _observation(
    key_id: str, keys: Keys, used: Mapping[str, Any], target: AwsTarget
) -> Observation:
    last_used = used.get("LastUsedDate")
    others: list[Json] = [
        {"id": other, "status": key["Status"], "created": key["CreateDate"].isoformat()}
        for other, key in sorted(keys.items())
        if other != key_id
    ]
    shown: dict[str, Json] = {
        "created": keys[key_id]["CreateDate"].isoformat(),
        "last_used": last_used.isoformat() if last_used else None,
        "last_used_service": used.get("ServiceName"),
        "last_used_region": used.get("Region"),
        "other_keys": others,
        "uncut": [*uncut(target)],
    }
    return Observation(True, {"status": keys[key_id]["Status"]}, shown, target.simulated)


def set_status(
    clearance: Clearance, step: Step, targets: Targets, status: str, deadline: Deadline
) -> None:
    """Call UpdateAccessKey once, without retries. Raises NotApplied or OutcomeUnknown."""
    fields = step.target.fields
    client = operating_client(clearance, step, targets, "iam:UpdateAccessKey", deadline)
    with changing():
        client.update_access_key(
            UserName=fields["user"], AccessKeyId=fields["access_key_id"], Status=status
        )


def delete_key(
    clearance: Clearance, step: Step, targets: Targets, key_id: str, deadline: Deadline
) -> None:
    """Call DeleteAccessKey once, without retries. Raises NotApplied or OutcomeUnknown."""
    client = operating_client(clearance, step, targets, "iam:DeleteAccessKey", deadline)
    with changing():
        client.delete_access_key(UserName=step.target.fields["user"], AccessKeyId=key_id)
