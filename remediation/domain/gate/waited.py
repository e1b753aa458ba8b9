"""The waits of a run in the gate's evidence, and the rule that says whether one has ended.

A worker that waits and the gate ask the same pure function, so does an auditor who replays it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.tlog.canonical import Json
from remediation.domain import conditions, instant
from remediation.domain.conditions import Consumer, Sighting, Unmet
from remediation.domain.fields import Fields
from remediation.domain.gate.signed_halt import SignedHalt
from remediation.domain.halt.statement import HaltStatement, RunDecision
from remediation.domain.plan import MAX_STEPS, Step
from remediation.domain.plan_rules import consumed
from remediation.domain.scope import MAX_CONSUMERS, ScopeConsumer
from remediation.domain.waits import MOST_CONDITIONS, Condition

# The answers that people may give to one wait.
MOST_ANSWERS = 100


@dataclass(frozen=True)
class WaitEvidence:
    """One wait after an applied step.

    `since` and `deadline` are as recorded when it began; `sightings` are the last looks, one for
    each condition; `consumers` are those that the inventory names now; `answers` the signed ones.
    """

    step: int
    conditions: tuple[Condition, ...]
    person: bool
    since: datetime
    deadline: datetime
    sightings: tuple[Sighting, ...] = ()
    consumers: tuple[ScopeConsumer, ...] = ()
    answers: tuple[SignedHalt, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "step": self.step,
            "conditions": [one.to_json() for one in self.conditions],
            "person": self.person,
            "since": instant.dump(self.since),
            "deadline": instant.dump(self.deadline),
            "sightings": [one.to_json() for one in self.sightings],
            "consumers": [one.to_json() for one in self.consumers],
            "answers": [one.to_json() for one in self.answers],
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> WaitEvidence:
        source = Fields(
            value,
            at,
            required=(
                "step", "conditions", "person", "since", "deadline", "sightings", "consumers",
                "answers",
            ),
        )  # fmt: skip
        return cls(
            step=source.integer("step", 0, MAX_STEPS - 1),
            conditions=source.array("conditions", Condition.from_json, most=MOST_CONDITIONS),
            person=source.boolean("person"),
            since=source.instant("since"),
            deadline=source.instant("deadline"),
            sightings=source.array("sightings", Sighting.from_json, most=MOST_CONDITIONS),
            consumers=source.array("consumers", ScopeConsumer.from_json, most=MAX_CONSUMERS),
            answers=source.array("answers", SignedHalt.from_json, most=MOST_ANSWERS),
        )

    def sighting(self, condition: Condition) -> Sighting | None:
        """Return the newest look for a condition."""
        found = [
            one
            for one in self.sightings
            if (one.condition, one.step) == (condition.name, condition.step)
        ]
        return max(found, key=lambda one: one.at, default=None)


@dataclass(frozen=True)
class Answer:
    """A verified answer to a wait, and when it was recorded."""

    statement: HaltStatement
    recorded_at: datetime


def unmet(
    wait: WaitEvidence,
    steps: Sequence[Step],
    consumers: Iterable[ScopeConsumer],
    applied_at: Mapping[int, datetime],
    now: datetime,
) -> dict[str, Unmet]:
    """Return, by its name, why each condition of the wait is not met now.

    `consumers` are the signed ones; those of the inventory now are the wait's own. `applied_at` is
    when each step was applied.
    """
    known = (*consumers, *wait.consumers)
    found: dict[str, Unmet] = {}
    for condition in wait.conditions:
        why = _unmet(wait, condition, steps, known, applied_at, now)
        if why is not None:
            found[condition.name] = why
    return found


def _unmet(
    wait: WaitEvidence,
    condition: Condition,
    steps: Sequence[Step],
    known: Iterable[ScopeConsumer],
    applied_at: Mapping[int, datetime],
    now: datetime,
) -> Unmet | None:
    sighting, since = wait.sighting(condition), applied_at.get(condition.step)
    if sighting is None or since is None or condition.step >= len(steps):
        return Unmet("not_looked_at")
    needed = consumers_of(condition, steps, known)
    return conditions.why_not_met(sighting, needed, since=since, now=now)


def consumers_of(
    condition: Condition, steps: Sequence[Step], known: Iterable[ScopeConsumer]
) -> tuple[Consumer, ...]:
    """Return the consumers that a condition is about, each once."""
    about = consumed(steps, condition)
    return tuple(dict.fromkeys(one.consumer for one in known if one.identity in about))


def deadline_of(wait: WaitEvidence, answers: Iterable[Answer]) -> datetime:
    """Return the deadline of a wait: as recorded, or later if a person asked to wait longer."""
    asked = [
        one.recorded_at + timedelta(seconds=one.statement.longer_s)
        for one in answers
        if one.statement.decision is RunDecision.LONGER
    ]
    return max((wait.deadline, *asked))


def why_waiting(
    wait: WaitEvidence,
    missing: Iterable[str],
    answers: Sequence[Answer],
    *,
    now: datetime,
    last: bool,
    fresh_s: int,
) -> str:
    """Return why a wait has not ended; "" if it has.

    `missing`: the names of the conditions that are not met now. `last`: the wait directly before
    the next step; its deadline counts, and a person's word to go on holds for `fresh_s` seconds.
    """
    names = frozenset(missing)
    going = [
        one
        for one in answers
        if one.statement.decision is RunDecision.GO_ON
        and not (last and now >= one.recorded_at + timedelta(seconds=fresh_s))
    ]
    if any(names <= set(one.statement.unmet) for one in going):
        return ""
    if names:
        return f"not met: {', '.join(sorted(names))}"
    if wait.person:
        return "no person has said to go on"
    if last and now >= deadline_of(wait, answers):
        return "it was met after its deadline, and no person has said to go on"
    return ""
