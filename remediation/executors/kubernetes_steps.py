"""What every action in Kubernetes has in common: wait until the target is as wanted."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Executor, Outcome, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed, StepFailed, VerifyFailed
from remediation.executors.kubernetes_calls import Api
from remediation.executors.kubernetes_server import cluster
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.5


@contextmanager
def operating(step: Step, targets: Targets, clearance: Clearance) -> Iterator[Api]:
    """Yield the API with the operator's account. Raises NotApplied and ClearanceRefused."""
    try:
        with cluster(targets, step.target.fields["cluster"]).operating(clearance) as api:
            yield api
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error


class KubernetesStep(Executor):
    """One change of one object: `_change` makes it, and the state is read back."""

    # How long the target may take to be as wanted.
    verify_seconds = 5.0

    @abstractmethod
    def _change(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> bool:
        """Bring the target from the judged state to this one; return whether anything was changed.

        Raises NotApplied and OutcomeUnknown: there is one changing call, so no half is left.
        """

    def _refuse_changed(self, now: Mapping[str, Json], seen: Mapping[str, Json]) -> None:
        """Raise NotApplied unless the object that is changed is still as it was judged."""
        if any(now[name] != value for name, value in seen.items()):
            raise NotApplied("somebody else changed the target meanwhile")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        # The credential is asked for first: without it there is no reason to look.
        with operating(step, targets, clearance):
            seen = self.observe(step, targets)
        wanted = self.after(seen.state, step.parameters)
        if seen.exists and wanted == seen.state:
            self._refuse_reached(seen)
            return Outcome({**self._done(wanted), "changed": False})
        self.precheck(step, seen)
        self._refuse_another(seen)
        changed = self._change(clearance, step, targets, seen.state, wanted, deadline)
        return Outcome({**self._done(wanted), "changed": changed})

    def _refuse_reached(self, seen: Observation) -> None:
        """Raise NotApplied if the wanted state is there, but must not count as the step's."""

    def _refuse_another(self, seen: Observation) -> None:
        """Raise NotApplied unless the target is as the gate saw it."""
        if self.expected is not None and dict(self.expected) != seen.state:
            raise NotApplied("the target is not as it was when the step was let through")

    def _done(self, wanted: Mapping[str, Json]) -> dict[str, Json]:
        """Return the fields that the action changes."""
        names = (*self.spec.leads_to, *self.spec.leads_to_from)
        return {name: wanted[name] for name in names}

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(self.verify_seconds, deadline.left))
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            why = self._why_not(step, found)
            if not why:
                return Outcome(self.seen(found), found)
            if give_up.passed:
                raise VerifyFailed(why)
            time.sleep(PAUSE_SECONDS)

    def _why_not(self, step: Step, found: Observation) -> str:
        """Return why the target is not in the wanted state; "" if it is."""
        if not found.exists:
            return f"{step.target.locator} does not exist"
        wanted = self._wanted(step, found.state)
        for name in (*self.spec.leads_to, *self.spec.leads_to_from):
            if found.state[name] != wanted[name]:
                return f"{name} is {found.state[name]!r}"[:200]
        return "; ".join(self.left_open(step, found))

    def _wanted(self, step: Step, state: Mapping[str, Json]) -> Mapping[str, Json]:
        return self.after(state, step.parameters)

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
            seen = self.observe(step, targets)
            self._refuse_foreign(step, seen, snapshot)
            changed = False
            if not self._same(seen.state, snapshot):
                changed = self._change(clearance, step, targets, seen.state, snapshot, deadline)
            found = self.observe(step, targets)
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(str(error)) from error
        if not self._is_restored(found, snapshot):
            raise RollbackFailed("the target is not as it was before")
        return Outcome({**found.state, "changed": changed})

    def _is_restored(self, found: Observation, snapshot: Snapshot) -> bool:
        """Return whether the undoing led to what was there before."""
        return self._same(found.state, snapshot)

    def _same(self, state: Mapping[str, Json], snapshot: Mapping[str, Json]) -> bool:
        """Return whether the target is as it was before the step, as far as that can come back."""
        return dict(state) == dict(snapshot)

    def _refuse_foreign(self, step: Step, seen: Observation, snapshot: Snapshot) -> None:
        """Raise NotApplied unless the target is as it was before the step, or as the step left it.

        What somebody else has set since is not overwritten.
        """
        left = self.after(snapshot, step.parameters)
        if not seen.exists or not (self._same(seen.state, snapshot) or seen.state == left):
            raise NotApplied("somebody else changed the target since")
