"""What actions at an API have in common: judge, change once, and look until it is so."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Executor, Outcome, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed, StepFailed, VerifyFailed
from remediation.executors.targets import Targets

# The place that a login belongs to: an organisation, a tenant.
At = TypeVar("At")


@dataclass(frozen=True)
class Waits:
    """How long to look until a change is seen. The first pause is doubled up to the longest.

    `look`: the most that one look takes, so that the last one ends in time.
    """

    verify: float
    look: float
    pause: float = 0.5
    most_pause: float = 4.0

    def until(self, deadline: Deadline) -> Deadline:
        """Return until when another look may begin."""
        return Deadline.within(min(self.verify, deadline.left - self.look))


class ApiStep(Executor, Generic[At]):
    """One change by one call. A subclass looks (`_look`), reads its key and makes the call."""

    waits: ClassVar[Waits]
    # Why the earlier state cannot be restored; "" if it can.
    no_way_back = ""
    # Whether a look may get an older copy of the target.
    has_old_copies: ClassVar[bool] = False

    @abstractmethod
    def _at(self, step: Step, targets: Targets) -> At:
        """Return the place of the target. Raises TargetUnobservable."""

    @abstractmethod
    def _look(self, at: At, step: Step) -> Observation:
        """Raises TargetUnobservable."""

    @abstractmethod
    def _key(self, at: At, step: Step, clearance: Clearance) -> str:
        """Return the operating app's private key. Raises NotApplied and ClearanceRefused."""

    @abstractmethod
    def _change(
        self,
        at: At,
        step: Step,
        pem: str,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> None:
        """Bring the target to the wanted state. Raises NotApplied and OutcomeUnknown."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return self._look(self._at(step, targets), step)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Read who could do what with it, and since when, if the action ends that."""
        if not self.spec.removes_access:
            return {}
        seen = self.observe(step, targets)
        if not seen.exists or self.after(seen.state) == seen.state:
            return {}
        return {step.target.kind.rpartition(".")[2]: {**seen.state, **seen.shown}}

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        try:
            at = self._at(step, targets)
            # The key is read first: without it there is no reason to look.
            pem = self._key(at, step, clearance)
            seen = self.observe(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        wanted = self.after(seen.state)
        if seen.exists and wanted == seen.state:
            return Outcome({**self.spec.leads_to, "changed": False})
        self.precheck(step, seen)
        if self.expected is not None and dict(self.expected) != seen.state:
            raise NotApplied("the target is not as it was when the step was let through")
        self._change(at, step, pem, seen.state, wanted, deadline)
        return Outcome({**self.spec.leads_to, "changed": True})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = self.waits.until(deadline)
        for pause in _pauses(self.waits):
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if not found.exists:
                raise VerifyFailed(f"{step.target.locator} does not exist")
            if self.after(found.state) == found.state:
                return Outcome(self.seen(found), found)
            if give_up.passed:
                raise VerifyFailed(self._still(found))
            time.sleep(min(pause, give_up.left))
        raise AssertionError  # the pauses have no end

    def _still(self, found: Observation) -> str:
        said = (f"{name} is still {found.state[name]!r}" for name in self.spec.leads_to)
        return "; ".join(said)[:200]

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
            at = self._at(step, targets)
            seen = self.observe(step, targets)
            if seen.exists and seen.state == dict(snapshot) and not self._is_undone_anyway:
                return Outcome({**snapshot, "changed": False})
            if self.no_way_back:
                raise RollbackFailed(self.no_way_back)
            if not seen.exists or seen.state not in (self.after(snapshot), dict(snapshot)):
                raise RollbackFailed("somebody else changed the target since")
            pem = self._key(at, step, clearance)
            self._change(at, step, pem, seen.state, dict(snapshot), deadline)
            self._wait_for(step, targets, snapshot, deadline)
        except RollbackFailed:
            raise
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(str(error)) from error
        return Outcome({**snapshot, "changed": True})

    @property
    def _is_undone_anyway(self) -> bool:
        """Return whether undoing makes its call though nothing seems to be left to undo.

        An older copy could say so, and what the step gave would stay. Only what takes access away
        is done unseen.
        """
        return self.has_old_copies and self.spec.grants_access and not self.no_way_back

    def _wait_for(self, step: Step, targets: Targets, wanted: Snapshot, deadline: Deadline) -> None:
        give_up = self.waits.until(deadline)
        for pause in _pauses(self.waits):
            if self.observe(step, targets).state == dict(wanted):
                return
            if give_up.passed:
                raise RollbackFailed("the target is not as it was before")
            time.sleep(min(pause, give_up.left))


def _pauses(waits: Waits) -> Iterator[float]:
    """Yield pauses without an end, each twice as long as the one before."""
    pause = waits.pause
    while True:
        yield pause
        pause = min(2 * pause, waits.most_pause)
