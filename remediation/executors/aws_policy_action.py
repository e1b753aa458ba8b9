"""The common parts of the actions that put or delete one inline policy of the portal.

A crash leaves the policy there or not there; nothing is half done. The next look reads it.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.aws_account import account
from remediation.executors.aws_errors import Spreading
from remediation.executors.aws_inline import delete, put
from remediation.executors.base import Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed, StepFailed, VerifyFailed
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.5  # between two looks while a change spreads
VERIFY_SECONDS = 5.0


class PolicyAction(Executor):
    """An action on the inline policies of a user or a role."""

    @abstractmethod
    def _look(self, step: Step, targets: Targets) -> Observation:
        """Read the target. Raises TargetUnobservable, or Spreading when reads disagree."""

    @abstractmethod
    def _why_not(self, step: Step, found: Observation) -> str:
        """Return why the target is not in the wanted state; "" if it is."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        try:
            return self._look(step, targets)
        except Spreading as error:
            raise TargetUnobservable(f"{step.target.locator}: {error}") from error

    def _look_before(self, clearance: Clearance, step: Step, targets: Targets) -> Observation:
        """Look before a change, and check it. Raises NotApplied."""
        try:
            # The worker's credential is asked for first: without it there is no reason to look.
            account(targets, step.target.fields["account"]).operate(clearance)
            found = self._look(step, targets)
        except (TargetUnobservable, Spreading) as error:
            raise NotApplied(str(error)) from error
        self.precheck(step, found)
        self._refuse_another(found)
        return found

    def _refuse_another(self, found: Observation) -> None:
        """Refuse one that was deleted and made anew under its name since people decided."""
        for name in ("user_id", "role_id"):
            known = (self.expected or {}).get(name)
            if known is not None and known != found.state.get(name):
                raise NotApplied(f"it is another one of this name by now ({name} was {known})")

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"AWS account {step.target.fields['account']} IAM (read through the observer's key)"
        return (Point(place, self._without(step, observation)),)

    @abstractmethod
    def _without(self, step: Step, observation: Observation) -> bool | None:
        """Return whether the target is without access; None if that cannot be told."""

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = self._look(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            except Spreading as error:
                why = str(error)
            else:
                gone = "" if found.exists else f"{step.target.locator} does not exist"
                why = gone or self._why_not(step, found)
                if not why:
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
            found = self._look(step, targets)
            return self._undo(clearance, step, targets, snapshot, found, deadline)
        except (StepFailed, TargetUnobservable, Spreading) as error:
            raise RollbackFailed(str(error)) from error

    @abstractmethod
    def _undo(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        found: Observation,
        deadline: Deadline,
    ) -> Outcome:
        """Lead back to the snapshot's state. IAM's answer says that the change is made; a read
        need not show it yet. Raises StepFailed."""


class Denial(PolicyAction):
    """Put or delete one policy with a fixed name and a fixed text."""

    denied: ClassVar[str]

    @abstractmethod
    def _policy(self, step: Step, found: Observation) -> tuple[str, str]:
        """Return the name and the text of the portal's policy."""

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["denied"] == "other":
            name, _ = self._policy(step, observation)
            raise NotApplied(
                f"inline policy {name} has another text than the portal's; it is somebody else's"
            )

    def _without(self, step: Step, observation: Observation) -> bool | None:
        """Another text in the policy's place denies nothing that anybody decided: that is access,
        and no place that could not be read. Who overwrites the policy would else stay contained.
        """
        return observation.state["denied"] == "yes" if observation.exists else None

    def _why_not(self, step: Step, found: Observation) -> str:
        seen = found.state["denied"]
        return "" if seen == self.denied else f"denied by the portal's policy: {seen}"

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        found = self._look_before(clearance, step, targets)
        return self._bring(clearance, step, targets, found, self.denied, deadline)

    def _bring(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        found: Observation,
        denied: str,
        deadline: Deadline,
    ) -> Outcome:
        detail: dict[str, Json] = {"denied": denied}
        if found.state["denied"] == denied:
            return Outcome({**detail, "changed": False})
        name, text = self._policy(step, found)
        if denied == "yes":
            put(clearance, step, targets, name, text, deadline)
        else:
            delete(clearance, step, targets, name, deadline)
        return Outcome({**detail, "policy": name})

    def _undo(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        found: Observation,
        deadline: Deadline,
    ) -> Outcome:
        before = str(snapshot["denied"])
        if before == self.denied:  # the step changed nothing; what is there is somebody else's
            return Outcome({"denied": before, "changed": False})
        self.expected = snapshot
        self.precheck(step, found)
        self._refuse_another(found)
        return self._bring(clearance, step, targets, found, before, deadline)
