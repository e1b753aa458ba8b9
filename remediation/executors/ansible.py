"""Run a pinned playbook: what people saw it would do is what it does.

Each look is `ansible-playbook --check --diff` on a copy of the project. The pin has the digest of
that copy and of what would change. The run makes both anew, and begins only if they are the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from remediation.domain.catalogue.ansible import PROVIDER, RUN
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import ansible_seen
from remediation.executors.ansible_process import run, variables_file
from remediation.executors.ansible_project import PREFIX, ProjectRefused, copy, remove_left_over
from remediation.executors.ansible_section import (
    Playbook,
    Project,
    project,
    read,
    variables,
)
from remediation.executors.ansible_seen import Seen
from remediation.executors.base import (
    GONE,
    Deadline,
    Executor,
    Outcome,
    Settled,
    Snapshot,
)
from remediation.executors.credentials import (
    for_observing,
    for_operating,
    refuse_without_clearance,
)
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.libraries import ANSIBLE
from remediation.executors.targets import Targets

T = TypeVar("T")
CHECK_SECONDS = 30.0
# For reading the result, after a run that takes all its time.
SPARE_SECONDS = 2.0


class _Prepared:
    """A copy of the project with the plan's variables, in a private directory."""

    def __init__(self, work: Path, step: Step, at: Project, playbook: Playbook) -> None:
        self._work, self._at = work, at
        self._copy = work / "project"
        self._copy.mkdir()
        values = variables(playbook, step.parameters)
        self.content = copy(at.directory, self._copy)
        self._arguments = [
            *("--inventory", at.inventory, "--limit", step.target.fields["hosts"]),
            *("--diff", "--extra-vars", f"@{variables_file(work, values)}", playbook.file),
        ]

    def check(self, seconds: float) -> Seen:
        """Try the playbook with the observer's login. Raises TargetUnobservable."""
        logins = {kind: for_observing(secret) for kind, secret in self._at.observer.items()}
        return self._run(["--check"], logins, seconds)

    def apply(self, logins: Mapping[str, str], seconds: float) -> Seen:
        return self._run([], logins, seconds)

    def _run(self, more: list[str], logins: Mapping[str, str], seconds: float) -> Seen:
        with tempfile.TemporaryDirectory(dir=self._work) as own:
            return ansible_seen.read(
                run(Path(own), self._copy, [*more, *self._arguments], logins, seconds)
            )


class RunPlaybook(Executor):
    """Run a playbook of the targets file on hosts that it names there."""

    spec = RUN

    def observe(self, step: Step, targets: Targets) -> Observation:
        return self._prepared(step, targets, lambda ready: _checked(ready, CHECK_SECONDS)) or GONE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        for field, why in (("failing", "fail"), ("unchecked", "cannot be tried without a run")):
            found = observation.shown.get(field)
            if isinstance(found, list) and found:
                raise NotApplied(f"tasks {why}: {'; '.join(str(one) for one in found[:3])}"[:300])

    def settled(self, observation: Observation) -> Settled | None:
        if observation.shown.get("failing"):
            return None
        return super().settled(observation)

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Another project tells nothing of this run, and a part of its changes is not nothing."""
        if not observation.exists or observation.state["content"] != before.get("content"):
            return None
        if self.settled(observation) is Settled.APPLIED:
            return Settled.APPLIED
        same = observation.state == dict(before) and not observation.shown.get("failing")
        return Settled.NOT_APPLIED if same else None

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Run the playbook. Who dies here leaves a part of it, which the next check shows."""
        refuse_without_clearance(clearance)
        try:
            done = self._prepared(
                step, targets, lambda ready: self._apply(clearance, step, targets, ready, deadline)
            )
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        if done is None:
            raise NotApplied(f"{step.target.locator} does not exist")
        return done

    def _apply(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        ready: _Prepared,
        deadline: Deadline,
    ) -> Outcome:
        at = project(targets, step.target.fields["project"])
        logins = {kind: for_operating(clearance, one) for kind, one in at.operator.items()}
        found = _checked(ready, min(CHECK_SECONDS, deadline.left / 2))
        self.precheck(step, found)
        if self.expected is not None and self.expected.get("content") != ready.content:
            raise NotApplied("the project is not the one that people saw")
        if found.state["state"] == "in place":
            return Outcome({"changed": 0})
        if self.expected is not None and dict(self.expected) != found.state:
            raise NotApplied("the playbook would change something else than people saw")
        seen = ready.apply(logins, deadline.left - SPARE_SECONDS)
        _refuse_unclean(seen)
        return Outcome({"changed": len(seen.changed), "hosts": ansible_seen.counts(seen)})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        try:
            seen = self.observe(step, targets)
        except TargetUnobservable as error:
            raise VerifyFailed(error.detail) from error
        if not seen.exists:
            raise VerifyFailed(f"{step.target.locator} does not exist")
        if self.expected is not None and self.expected.get("content") != seen.state["content"]:
            raise VerifyFailed("the project is not the one that ran")
        if self.settled(seen) is not Settled.APPLIED:
            left = [*_listed(seen, "failing"), *_listed(seen, "tasks"), *_listed(seen, "unchecked")]
            raise VerifyFailed(f"the playbook has something left to do: {'; '.join(left)}"[:300])
        return Outcome(dict(seen.state), seen)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        raise RollbackFailed("a playbook has no inverse; another playbook may undo it")

    def _prepared(self, step: Step, targets: Targets, call: Callable[[_Prepared], T]) -> T | None:
        """Call with a copy of the project, and remove it; None if the section names no such step.

        Raises TargetUnobservable.
        """
        fields = step.target.fields
        at = project(targets, fields["project"])
        playbook = at.playbooks.get(fields["playbook"])
        if playbook is None or fields["hosts"] not in playbook.hosts:
            return None
        if not ANSIBLE.is_installed:
            raise TargetUnobservable(ANSIBLE.missing)
        try:
            remove_left_over()
            with tempfile.TemporaryDirectory(prefix=PREFIX) as work:
                return call(_Prepared(Path(work), step, at, playbook))
        except (ProjectRefused, OSError) as error:
            why = error if isinstance(error, ProjectRefused) else type(error).__name__
            raise TargetUnobservable(f"project {fields['project']}: {why}") from None


def _checked(ready: _Prepared, seconds: float) -> Observation:
    """Return what the check saw. Raises TargetUnobservable unless each host was reached."""
    seen = ready.check(seconds)
    unreached = any(one.get("event") == "unreachable" for one in seen.failed)
    if seen.broken or unreached or not seen.hosts:
        raise TargetUnobservable(ansible_seen.why_not_clean(seen))
    return ansible_seen.observation(ready.content, seen)


def _refuse_unclean(seen: Seen) -> None:
    """Raise what a run that did not end well left behind."""
    why = ansible_seen.why_not_clean(seen)
    if not why:
        return
    began = [one for one in seen.failed if one.get("event") == "failed"] or seen.changed
    # The check reached each host a moment ago: a task may have cut the connection itself.
    if seen.broken or not began:
        raise OutcomeUnknown(why)
    raise PartlyApplied(f"{why}; {len(seen.changed)} tasks changed something")


def _listed(seen: Observation, field: str) -> list[str]:
    found = seen.shown[field]
    return [str(one) for one in found] if isinstance(found, list) else []


DRIVER = Driver(PROVIDER.name, (RunPlaybook,), read, needs=(ANSIBLE,))
