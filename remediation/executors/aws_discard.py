"""Delete a key that a run made and nobody uses: its secret was lost, or it is not wanted."""

from __future__ import annotations

import time

from remediation.domain.catalogue.aws_rotation import DISCARD_KEY
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_iam import delete_key
from remediation.executors.aws_user_keys import (
    UserKeys,
    all_keys,
    describe_slots,
    look_at_user,
    refuse_other_owner,
    refuse_used,
)
from remediation.executors.base import Deadline, Outcome, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed, VerifyFailed
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.5  # between two looks while a change spreads
VERIFY_SECONDS = 5.0


class DiscardKey(UserKeys):
    """Delete a key that nobody but the portal was seen to use."""

    spec = DISCARD_KEY

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        refuse_other_owner(observation)
        key_id = str(step.parameters["access_key_id"])
        if key_id not in all_keys(observation.state):
            raise NotApplied(f"key {key_id} is not the user's: {describe_slots(observation)}")
        refuse_used(observation, key_id)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        account(targets, step.target.fields["account"]).operate(clearance)
        found, key_id = self.look(step, targets), str(step.parameters["access_key_id"])
        if key_id not in all_keys(found.state):
            return Outcome({"deleted": key_id, "changed": False})
        refuse_used(found, key_id)
        delete_key(clearance, step, targets, key_id, deadline)
        return Outcome({"deleted": key_id})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = look_at_user(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if found.exists and step.parameters["access_key_id"] not in all_keys(found.state):
                return Outcome(self.seen(found), found)
            if give_up.passed:
                raise VerifyFailed(f"the key is still listed: {describe_slots(found)}")
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
            found = self.look(step, targets)
        except NotApplied as error:
            raise RollbackFailed(str(error)) from error
        if dict(found.state) == dict(snapshot):
            return Outcome({**snapshot, "changed": False})
        raise RollbackFailed("a deleted key cannot come back")
