"""Deactivate and activate AWS IAM access keys of users.

Deactivates and never deletes: that can be reversed, and logs can still be searched by the key's id.
Limits: STS sessions created with the key stay valid until they end (up to 36 hours). A second key
of the user, and keys and roles that it created, are shown but not changed. IAM is eventually
consistent: the new status is readable within seconds, but services may accept the key for some
minutes.

The only rights that the two logins need on the account's users:
    observe: iam:ListAccessKeys, iam:GetAccessKeyLastUsed      operate: iam:UpdateAccessKey
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws import ACTIVATE, DEACTIVATE, PROVIDER
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import AwsTarget, account, read
from remediation.executors.base import Deadline, Executor, Outcome, Snapshot
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.targets import Targets

CONNECT_SECONDS = 3  # per address; the resolver has its own limit
READ_SECONDS = 5  # IAM answers in well under a second
LOOK_SECONDS = 0.5  # between two reads while a change spreads
# How long to wait for the new status. Together with the slowest allowed change and last read (two
# calls) it stays below the actions' hard timeout.
VERIFY_SECONDS = 5.0
STATUSES = ("Active", "Inactive")


class _AccessKey(Executor):
    """The common parts of deactivating and activating a key."""

    status: ClassVar[str]

    def observe(self, step: Step, targets: Targets) -> Observation:
        fields = step.target.fields
        target = account(targets, fields["account"])
        with _reading(step):
            client = _client(target, *target.observe())
            keys = _keys_of(client, fields["user"])
            if fields["access_key_id"] not in keys:
                return Observation(False, {}, {}, target.simulated)
            used = client.get_access_key_last_used(AccessKeyId=fields["access_key_id"])
            return _observation(fields["access_key_id"], keys, used["AccessKeyLastUsed"], target)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["status"] not in STATUSES:  # AWS knows Expired too
            raise NotApplied(f"the key's status is {observation.state['status']}")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        _set_status(clearance, step, targets, self.status, deadline)
        return Outcome({"status": self.status})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return self._read_back(step, targets, self.status, deadline)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        status = str(snapshot["status"])
        try:
            _set_status(clearance, step, targets, status, deadline)
            return self._read_back(step, targets, status, deadline)
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error

    def _read_back(self, step: Step, targets: Targets, status: str, deadline: Deadline) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                seen = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if seen.state.get("status") == status:
                return Outcome({"status": status, "other_keys": seen.shown["other_keys"]})
            if give_up.passed:
                raise VerifyFailed(f"the key's status is {seen.state.get('status')}")
            time.sleep(LOOK_SECONDS)


class DeactivateAccessKey(_AccessKey):
    """Set a key to Inactive."""

    spec = DEACTIVATE
    status = "Inactive"


class ActivateAccessKey(_AccessKey):
    """Set a key to Active."""

    spec = ACTIVATE
    status = "Active"


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
    except TargetUnobservable:
        raise
    except ImportError as error:
        raise TargetUnobservable("boto3 is missing; install hitlportal[aws]") from error
    except Exception as error:  # botocore's errors have no common base class
        raise TargetUnobservable(f"{step.target.locator}: {_words(error)}") from error


def _keys_of(client: Any, user: str) -> dict[str, dict[str, Any]]:
    """Return the user's keys by id; none if the user does not exist."""
    keys: dict[str, dict[str, Any]] = {}
    try:
        for page in client.get_paginator("list_access_keys").paginate(UserName=user):
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


def _set_status(
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


DRIVER = Driver(PROVIDER.name, (DeactivateAccessKey, ActivateAccessKey), read)
