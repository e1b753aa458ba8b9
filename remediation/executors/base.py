"""The interface of executors. Services call them through run.py, never directly."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain import catalogue
from remediation.domain.catalogue import TARGETS, ActionSpec, Op
from remediation.domain.conditions import Consumer, Sighting
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.errors import NotApplied
from remediation.executors.targets import Targets

Snapshot = Mapping[str, Json]
NOT_COMPARED = "The portal cannot compare secrets for this kind of identity."
GONE = Observation(exists=False, state={}, shown={}, simulated=False)


@dataclass(frozen=True)
class Outcome:
    """What a call did, for the step record; contains no secret."""

    detail: Mapping[str, Json] = field(default_factory=dict)
    # Of `verify`: what it saw, so that nobody has to look again at once.
    observation: Observation | None = None
    # What the step made, for later steps (ActionSpec.makes); never a secret.
    made: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """A place that lets the identity in, or does not: a server, a replica, an account's API."""

    place: str
    # None: it was not looked at, or could not be read.
    without_access: bool | None
    # What is still open there, in words, by server and session; empty if nothing is.
    open: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "place": self.place, "without_access": self.without_access, "open": list(self.open)
        }  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """A secret from evidence that may be the one in force, and the rule that found it there."""

    # The forms that the bytes may stand for (escapes, base64); never shown, logged or recorded.
    values: tuple[str, ...] = field(repr=False)
    rule: str


@dataclass(frozen=True)
class Compared:
    """Whether each candidate is the secret in force, in the order in which they were given.

    None: it cannot be told, and `why` says why. `place` is what was asked.
    """

    answers: tuple[bool | None, ...]
    place: str = ""
    why: str = ""


@dataclass(frozen=True)
class Question:
    """What a waiting run asks about an applied step.

    `since` is when the step was applied, `made` what it made, `before` the snapshot that it kept
    of the old state, `consumers` those that the inventory names, `previous` the last sighting.
    """

    condition: str
    since: datetime
    made: Mapping[str, str]
    before: Snapshot
    consumers: tuple[Consumer, ...]
    previous: Sighting | None = None


class Settled(StrEnum):
    """The outcome that reading the target shows for a call with an unknown outcome."""

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"


@dataclass(frozen=True)
class Deadline:
    """A monotonic time after which no call to a target may start."""

    at: float

    @classmethod
    def within(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Return the seconds left, never negative."""
        return max(0.0, self.at - time.monotonic())

    @property
    def passed(self) -> bool:
        return self.left <= 0


class Executor(ABC):
    """One action on one kind of target.

    Every method except `observe` and the pure ones takes a clearance and stops at the deadline, at
    most `spec.hard_timeout_s` from now. A repeated call on a target in the wanted state changes
    nothing and succeeds.
    """

    spec: ClassVar[ActionSpec]
    # The gate's snapshot, if the caller has it: `apply` acts on that object, whatever has its name.
    expected: Snapshot | None = None
    # What the step made, where that is on record: for `verify` and `rollback`.
    made: Mapping[str, str] = MappingProxyType({})
    # The name of the version that the step delivers. What lies in another one is not this step's.
    version = ""
    applied_by_reading = True  # after a lost answer, a look alone can show that the call was made

    @abstractmethod
    def observe(self, step: Step, targets: Targets) -> Observation:
        """Read the target with read-only credentials; change nothing.

        `state` has exactly the spec's pin fields, or is empty if the target does not exist.
        Raises only TargetUnobservable.
        """

    def live(self, step: Step, targets: Targets) -> Observation:
        """Read the target as `observe` does, for people who look now: `shown` may have more.

        Nobody pins or signs it. Raises only TargetUnobservable.
        """
        return self.observe(step, targets)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Read what the action will end or destroy, with read-only credentials: sessions, pods, …
        Texts are cut, nothing is a secret; {} if nothing is lost. Raises TargetUnobservable."""
        return {}

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Return which candidates are the secret in force on the target, with the observer's login.

        Never by signing in with one, and none may leave this process, not even in a form from
        which it can be guessed by whoever reads the target's log. Raises only TargetUnobservable,
        whose text must not quote a candidate.
        """
        spec = TARGETS[self.spec.target_kind]
        return Compared((None,) * len(candidates), why=spec.no_secret_compared or NOT_COMPARED)

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        """Look for a condition that the run waits for, with read-only credentials.

        `step` is the applied step, with its references resolved. Raises only TargetUnobservable;
        a source of evidence that is not alive is named in the sighting, not raised.
        """
        raise TargetUnobservable(f"{self.spec.kind} cannot look for {question.condition}")

    def precheck(self, step: Step, observation: Observation) -> None:
        """Raise NotApplied if the action must not be tried on a target in this state. Pure."""
        if observation.exists == self.spec.creates:
            said = "exists already" if observation.exists else "does not exist"
            raise NotApplied(f"{step.target.locator} {said}")

    def dry_precheck(self, step: Step, observation: Observation, earlier: Sequence[Step]) -> None:
        """Raise NotApplied if `precheck` would refuse after these earlier steps of the plan. Pure.

        `observation` has what they leave at this target. An action that depends on what they do to
        other targets says more.
        """
        self.precheck(step, observation)

    def snapshot(self, observation: Observation) -> Snapshot:
        """Return what `rollback` needs to restore this state. Pure."""
        return dict(observation.state)

    def after(
        self,
        state: Mapping[str, Json],
        parameters: Mapping[str, Json] = MappingProxyType({}),
        made: Mapping[str, str] = MappingProxyType({}),
    ) -> dict[str, Json]:
        """Return the pinned state after the action, which reviewers saw.

        What is not made yet stands as its name in angle brackets.
        """
        return catalogue.after(self.spec.kind, state, parameters, made)

    def settled(self, observation: Observation) -> Settled | None:
        """Return whether the action was applied; None if the observation cannot tell. Pure.

        Until the action's declared propagation is over, NOT_APPLIED may come from a stale read;
        services take it for an answer only afterwards.
        """
        if not observation.exists:
            return None
        wanted = self.after(observation.state) == observation.state
        return Settled.APPLIED if wanted else Settled.NOT_APPLIED

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Return whether this step of a run was applied; None if that cannot be told. Pure.

        The same as `settled`, unless the effect depends on a parameter or on what the step made.
        `before` is the snapshot, `made` what the step made; empty after a lost answer.
        """
        if self.spec.creates and not observation.exists:
            return Settled.NOT_APPLIED
        if not self.spec.leads_to_from or not observation.exists:
            return self.settled(observation)
        found = made or self.own_made(observation, before)
        if found is not None and observation.state == self.after(before, step.parameters, found):
            return Settled.APPLIED
        return Settled.NOT_APPLIED if observation.state == dict(before) else None

    def found_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        """Return what the step made, as the target shows it after a lost answer. Pure.

        None if that cannot be told: then people must look.
        """
        found: dict[str, str] = {}
        for name, change in self.spec.leads_to_from.items():
            value = _fresh(change.op, before.get(name), observation.state.get(name))
            if change.made and value is not None:
                found[change.made] = value
        return found if found.keys() == self.spec.makes.keys() else None

    def own_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        """Return `found_made` unless it lies in another version than this step's. Pure."""
        found = self.found_made(observation, before)
        if found is None or found.get("version", self.version) != self.version:
            return None
        return found

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        """Return every place that the action must take effect at, as it was seen there. Pure.

        For an action that takes access away: an incident counts as contained only when each point
        is without access.
        """
        without = self.spec.removes_access and self.settled(observation) is Settled.APPLIED
        return (Point(step.target.locator, without if observation.exists else None),)

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Return what the action did not reach yet, in words; empty if nothing is left. Pure.

        A step is confirmed only when the target is in the wanted state and nothing is left open.
        """
        return tuple(text for point in self.points(step, observation) for text in point.open)

    def seen(self, observation: Observation) -> dict[str, Json]:
        """Return what the step record keeps of an observation that confirms the step. Pure."""
        return dict(observation.state)

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Try again what `apply` left open, for example sessions that did not end.

        It may only take access away, and changes nothing that somebody else has set since. An
        action that leaves nothing open does nothing here. Raises StepFailed.
        """
        return Outcome()

    @abstractmethod
    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Carry out the action. Raises NotApplied, PartlyApplied or OutcomeUnknown."""

    @abstractmethod
    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Read the target with read-only credentials until it is in the wanted state.

        Raises VerifyFailed if it is not at the deadline, or cannot be read.
        """

    @abstractmethod
    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Restore the snapshot's state and read it back. Raises RollbackFailed."""


def _fresh(op: Op, old: Json, new: Json) -> str | None:
    """Return the value that a pinned field got since; None if there is none or more than one."""
    if op is Op.SET:
        return new if isinstance(new, str) and new != old else None
    if op is Op.ADD and isinstance(new, list):
        known = old if isinstance(old, list) else []
        added = [one for one in new if one not in known]
        return added[0] if len(added) == 1 and isinstance(added[0], str) else None
    return None
