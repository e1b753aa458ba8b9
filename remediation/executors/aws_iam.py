"""Calls to IAM: one look at a key, which several reads must agree on, and the one changing call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget, account
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.targets import Targets

CONNECT_SECONDS = 3  # per address; the resolver has its own limit
READ_SECONDS = 5  # IAM answers in well under a second
# How many reads in a row must agree in one look.
READS = 3
# No call of a look begins later than this after its first one.
LOOK_SECONDS = 10.0
# AWS allows two keys per user; one page holds a hundred.
MOST_PAGES = 5


class Spreading(Exception):
    """Reads of the same key disagree: a change has not reached every part of IAM yet."""


def look(step: Step, targets: Targets) -> Observation:
    """Read the key. Raises TargetUnobservable, or Spreading when reads disagree."""
    fields = step.target.fields
    target = account(targets, fields["account"])
    with _reading(step):
        client = _client(target, *target.observe())
        keys = _agreed(client, fields["user"], fields["access_key_id"])
        if fields["access_key_id"] not in keys:
            return Observation(False, {}, {}, target.simulated)
        used = client.get_access_key_last_used(AccessKeyId=fields["access_key_id"])
        return _observation(fields["access_key_id"], keys, used["AccessKeyLastUsed"], target)


def _agreed(client: Any, user: str, key_id: str) -> dict[str, dict[str, Any]]:
    """Return the user's keys as READS reads in a row show this key. Raises Spreading."""
    late = Deadline.within(LOOK_SECONDS)
    first: str | None = None
    for _ in range(READS):
        keys = _keys_of(client, user, late)
        if late.passed:
            raise TargetUnobservable("IAM answers too slowly")
        status = str(keys[key_id]["Status"]) if key_id in keys else "not there"
        if first not in (None, status):
            raise Spreading(f"reads of IAM disagree ({first}, then {status}): it still spreads")
        first = status
        client.close()  # the next call opens a new connection, perhaps to another front end
    return keys


def _client(target: AwsTarget, key_id: str, secret: str) -> Any:
    """Return an IAM client that makes each call once, with exactly these credentials."""
    from boto3.session import Session  # extra "aws"; loaded here because it is slow
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        # A repeated change could follow someone else's change; services decide about retries.
        retries={"total_max_attempts": 1, "mode": "standard"},
        ignore_configured_endpoint_urls=True,  # AWS_ENDPOINT_URL must not redirect calls
        proxies={} if target.simulated else None,
    )
    session = Session(
        aws_access_key_id=key_id, aws_secret_access_key=secret, region_name=target.region
    )
    return session.client("iam", endpoint_url=target.endpoint_url, config=config)


@contextmanager
def _reading(step: Step) -> Iterator[None]:
    """Turn every error of a read call into TargetUnobservable."""
    try:
        yield
    except (TargetUnobservable, Spreading):
        raise
    except ImportError as error:
        raise TargetUnobservable("boto3 is missing; install hitlportal[aws]") from error
    except Exception as error:  # botocore's errors have no common base class
        raise TargetUnobservable(f"{step.target.locator}: {_words(error)}") from error


def _keys_of(client: Any, user: str, late: Deadline) -> dict[str, dict[str, Any]]:
    """Return the user's keys by id; none if the user does not exist.

    Raises TargetUnobservable for a list that has no end, or takes too long.
    """
    keys: dict[str, dict[str, Any]] = {}
    try:
        pages = client.get_paginator("list_access_keys").paginate(UserName=user)
        for number, page in enumerate(pages, start=1):
            if late.passed or number > MOST_PAGES:
                raise TargetUnobservable("IAM's list of keys does not end")
            keys |= {key["AccessKeyId"]: key for key in page["AccessKeyMetadata"]}
    except client.exceptions.NoSuchEntityException:
        return {}
    return keys


def _observation(
    key_id: str, keys: Mapping[str, Mapping[str, Any]], used: Mapping[str, Any], target: AwsTarget
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
    }
    return Observation(True, {"status": keys[key_id]["Status"]}, shown, target.simulated)


def set_status(
    clearance: Clearance, step: Step, targets: Targets, status: str, deadline: Deadline
) -> None:
    """Call UpdateAccessKey once, without retries. Raises NotApplied or OutcomeUnknown."""
    from botocore.exceptions import BotoCoreError

    fields = step.target.fields
    try:
        target = account(targets, fields["account"])
        client = _client(target, *target.operate(clearance))
    except (TargetUnobservable, BotoCoreError, ValueError) as error:
        raise NotApplied(_words(error)) from error
    if deadline.left < CONNECT_SECONDS + READ_SECONDS:
        raise NotApplied("no time is left for the call")
    with _changing():
        client.update_access_key(
            UserName=fields["user"], AccessKeyId=fields["access_key_id"], Status=status
        )


@contextmanager
def _changing() -> Iterator[None]:
    """Turn errors of a changing call into NotApplied or OutcomeUnknown."""
    from botocore.exceptions import (
        ClientError,
        ConnectTimeoutError,
        EndpointConnectionError,
        ParamValidationError,
    )

    try:
        yield
    except (EndpointConnectionError, ConnectTimeoutError, ParamValidationError) as error:
        raise NotApplied(_words(error)) from error  # no request left this machine
    except ClientError as error:
        # A 4xx is a refusal; after a 5xx the change may have happened.
        refused = 400 <= error.response["ResponseMetadata"]["HTTPStatusCode"] < 500
        raise (NotApplied if refused else OutcomeUnknown)(_words(error)) from error
    except Exception as error:  # the request may have arrived
        raise OutcomeUnknown(_words(error)) from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
