"""Deactivate and activate AWS IAM access keys of users, and delete Inactive ones.

A containment deactivates: that can be reversed, and logs can still be searched by the key's id.
Deleting is a proposal of its own, much later (aws_delete.py); making a key is aws_create.py.
Limits: STS sessions created with the key stay valid until they end (up to 36 hours). A second key
of the user, and keys and roles that it created, are shown but not changed.

IAM is eventually consistent: for some minutes after a change a read may show the earlier status,
also after another read showed the new one, and services may accept the key. So every look reads
several times, each over a connection of its own, and what disagrees is not taken as an answer.

The only rights that the two logins need on the account's users:
    observe: iam:ListAccessKeys, iam:GetAccessKeyLastUsed, iam:GetUser
    operate: iam:UpdateAccessKey, iam:CreateAccessKey, iam:DeleteAccessKey; or sts:AssumeRole on a
             role with these alone (docs/operate/aws.md)
"""

from __future__ import annotations

import time
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws import ACTIVATE, DEACTIVATE, PROVIDER
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import read
from remediation.executors.aws_bucket import BlockPublicAccess, RestorePublicAccess
from remediation.executors.aws_client import CONNECT_SECONDS, READ_SECONDS
from remediation.executors.aws_create import CreateKey
from remediation.executors.aws_delete import DeleteKey
from remediation.executors.aws_discard import DiscardKey
from remediation.executors.aws_errors import Spreading
from remediation.executors.aws_iam import LOOK_SECONDS, look, set_status
from remediation.executors.aws_instance import IsolateInstance, RestoreInstance
from remediation.executors.aws_login_profile import DeleteLoginProfile
from remediation.executors.aws_revoke import RestoreSessions, RevokeSessions
from remediation.executors.aws_role_session import AllowSessionName, DenySessionName
from remediation.executors.aws_selectors import RestoreSelectors
from remediation.executors.aws_trail import StartLogging
from remediation.executors.aws_user_deny import AllowAgain, DenyAll
from remediation.executors.base import Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.libraries import BOTO3
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.5  # between two looks while a change spreads
# How long to look for the new status before the step is left "applied, not yet confirmed". With
# the longest look it stays below the actions' hard timeout.
VERIFY_SECONDS = 5.0
STATUSES = ("Active", "Inactive")


class _AccessKey(Executor):
    """The common parts of deactivating and activating a key."""

    status: ClassVar[str]

    def observe(self, step: Step, targets: Targets) -> Observation:
        try:
            return look(step, targets)
        except Spreading as error:
            raise TargetUnobservable(f"{step.target.locator}: {error}") from error

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["status"] not in STATUSES:  # AWS knows Expired too
            raise NotApplied(f"the key's status is {observation.state['status']}")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        set_status(clearance, step, targets, self.status, deadline)
        return Outcome({"status": self.status})

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        account = step.target.fields["account"]
        place = f"AWS account {account} IAM (read through the observer's key)"
        # A key that is not listed may be one that a read does not show yet.
        without = {"Inactive": True, "Active": False}.get(str(observation.state.get("status")))
        return (Point(place, without),)

    def seen(self, observation: Observation) -> dict[str, Json]:
        return {**observation.state, "other_keys": observation.shown["other_keys"]}

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = look(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            except Spreading as error:
                why = str(error)
            else:
                if found.state.get("status") == self.status:
                    return Outcome(self.seen(found), found)
                why = f"the key's status is {found.state.get('status')}"
            if give_up.passed:
                raise VerifyFailed(why)
            time.sleep(PAUSE_SECONDS)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        status = str(snapshot["status"])
        if status == self.status:  # the step changed nothing, so what is there is somebody else's
            return Outcome({"status": status, "changed": False})
        try:
            set_status(clearance, step, targets, status, deadline)
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error
        return Outcome({"status": status, "read_back": _read_back(step, targets, deadline)})


class DeactivateAccessKey(_AccessKey):
    """Set a key to Inactive."""

    spec = DEACTIVATE
    status = "Inactive"


class ActivateAccessKey(_AccessKey):
    """Set a key to Active."""

    spec = ACTIVATE
    status = "Active"


def _read_back(step: Step, targets: Targets, deadline: Deadline) -> str:
    """Return the status that IAM shows after an accepted change, in words.

    IAM's answer says that the change is made; a read that does not show it yet is no failure.
    """
    if deadline.left < LOOK_SECONDS + CONNECT_SECONDS + READ_SECONDS:
        return "not read: no time was left"
    try:
        return str(look(step, targets).state.get("status", "not there"))
    except (Spreading, TargetUnobservable) as error:
        return f"not yet: {error}"


DRIVER = Driver(
    PROVIDER.name,
    (
        *(DeactivateAccessKey, ActivateAccessKey, DeleteKey, CreateKey, DiscardKey),
        *(DenyAll, AllowAgain, DeleteLoginProfile),
        *(RevokeSessions, RestoreSessions, DenySessionName, AllowSessionName),
        *(StartLogging, RestoreSelectors, BlockPublicAccess, RestorePublicAccess),
        *(IsolateInstance, RestoreInstance),
    ),
    read,
    needs=(BOTO3,),
)
