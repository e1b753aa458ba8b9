"""Delete the password with which an IAM user signs in to the console.

AWS holds no password that could be read, so it cannot be put back: somebody makes a new one.

The operator needs iam:DeleteLoginProfile on the users.
"""

from __future__ import annotations

from remediation.domain.catalogue.aws_user import DELETE_PASSWORD
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_client import changing, operating_client
from remediation.executors.aws_policy_action import PolicyAction
from remediation.executors.aws_user_deny import look_at_user
from remediation.executors.base import Deadline, Outcome, Snapshot
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets


class DeleteLoginProfile(PolicyAction):
    """Delete a user's password; its keys stay as they are."""

    spec = DELETE_PASSWORD

    def _look(self, step: Step, targets: Targets) -> Observation:
        return look_at_user(step, targets)

    def _without(self, step: Step, observation: Observation) -> bool | None:
        """Whoever has a key of the user gets in, so it is never said to be without access."""
        return False if observation.exists else None

    def _why_not(self, step: Step, found: Observation) -> str:
        return "the user has a password for the console" if found.state["console"] else ""

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        if not found.state["console"]:
            return Outcome({"console": False, "changed": False})
        client = operating_client(clearance, step, targets, "iam:DeleteLoginProfile", deadline)
        with changing():
            client.delete_login_profile(UserName=step.target.fields["user"])
        return Outcome({"console": False})

    def _undo(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        found: Observation,
        deadline: Deadline,
    ) -> Outcome:
        if found.state.get("console") == snapshot["console"]:
            return Outcome({"console": snapshot["console"], "changed": False})
        raise NotApplied("a deleted password cannot come back")
