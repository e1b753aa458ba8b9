"""Delete an Inactive access key: much later than its rotation, and a decision of its own.

A deleted key cannot come back, so its status is read again in the call that deletes it: a key that
is Active by then is left alone. AWS uses no id twice, so a key that the user's list does not have
counts as deleted.
"""

from __future__ import annotations

import time

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws import DELETE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_client import client_of, reading, uncut
from remediation.executors.aws_errors import Spreading
from remediation.executors.aws_iam import delete_key, look, user_exists
from remediation.executors.base import Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed, VerifyFailed
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.5  # between two looks while a change spreads
VERIFY_SECONDS = 5.0
DELETED = "deleted"


class DeleteKey(Executor):
    """Delete a key whose status is Inactive."""

    spec = DELETE

    def observe(self, step: Step, targets: Targets) -> Observation:
        try:
            return _look(step, targets)
        except Spreading as error:
            raise TargetUnobservable(f"{step.target.locator}: {error}") from error

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        status = observation.state["status"]
        if status != "Inactive":
            raise NotApplied(f"the key's status is {status}; only an Inactive key is deleted")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        try:
            # The worker's credential is asked for first: without it there is no reason to look.
            account(targets, step.target.fields["account"]).operate(clearance)
            seen = _look(step, targets)
        except (TargetUnobservable, Spreading) as error:
            raise NotApplied(str(error)) from error
        if seen.state.get("status") == DELETED:
            return Outcome({"status": DELETED, "changed": False})
        self.precheck(step, seen)
        key_id = step.target.fields["access_key_id"]
        delete_key(clearance, step, targets, key_id, deadline)
        return Outcome({"status": DELETED})

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        fields = step.target.fields
        without = {"Inactive": True, "Active": False, DELETED: True}
        place = f"AWS account {fields['account']} IAM (read through the observer's key)"
        return (Point(place, without.get(str(observation.state.get("status")))),)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = _look(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            except Spreading as error:
                why = str(error)
            else:
                why = f"the key's status is {found.state.get('status')}"
                if found.state.get("status") == DELETED:
                    return Outcome(self.seen(found), found)
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
        refuse_without_clearance(clearance)
        try:
            found = _look(step, targets)
        except (TargetUnobservable, Spreading) as error:
            raise RollbackFailed(str(error)) from error
        if found.exists and dict(found.state) == dict(snapshot):
            return Outcome({**snapshot, "changed": False})
        raise RollbackFailed("a deleted key cannot come back")


def _look(step: Step, targets: Targets) -> Observation:
    """Read the key; a key that its user does not have is deleted."""
    found = look(step, targets)
    if found.exists:
        return found
    target = account(targets, step.target.fields["account"])
    with reading(step):
        client = client_of(target, *target.observe())
        if not user_exists(client, step.target.fields["user"]):
            return found
    shown: dict[str, Json] = {
        **dict.fromkeys(("created", "last_used", "last_used_service", "last_used_region")),
        "other_keys": [],
        "uncut": [*uncut(target)],
    }
    return Observation(True, {"status": DELETED}, shown, target.simulated)
