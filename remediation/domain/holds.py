"""Where a run waits: the plan's own waits, and the holds for a person that the ruling adds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json
from remediation.domain.fields import Fields
from remediation.domain.plan import MAX_STEPS, Plan
from remediation.domain.waits import LEAST_WAIT_S, MOST_WAIT_S, Wait


class Mode(StrEnum):
    """How often a run asks people (HITL_APPROVAL_MODE)."""

    EVERY_PROPOSAL = "every_proposal"  # before the first step, and where the plan says so
    EVERY_STEP = "every_step"  # after each step but the last, too


@dataclass(frozen=True)
class Hold:
    """A wait as the ruling has it: after which step, for how long, whether for a person."""

    step: int
    within_s: int
    person: bool

    def to_json(self) -> dict[str, Json]:
        return {"step": self.step, "within_s": self.within_s, "person": self.person}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Hold:
        source = Fields(value, at, required=("step", "within_s", "person"))
        return cls(
            source.integer("step", 0, MAX_STEPS - 1),
            source.integer("within_s", LEAST_WAIT_S, MOST_WAIT_S),
            source.boolean("person"),
        )


def holds_of(plan: Plan, mode: Mode, within_s: int) -> tuple[Hold, ...]:
    """Return the holds of a ruling for this plan; `within_s` is the time for those of the mode."""
    return tuple(_holds(plan, mode, within_s))


def _holds(plan: Plan, mode: Mode, within_s: int) -> Iterator[Hold]:
    last = len(plan.steps) - 1
    for step in plan.steps:
        asks = mode is Mode.EVERY_STEP and step.index < last
        if step.wait is not None:
            yield Hold(step.index, step.wait.within_s, step.wait.person or asks)
        elif asks:
            yield Hold(step.index, within_s, True)


def waits_of(plan: Plan, holds: Iterable[Hold]) -> Mapping[int, Wait]:
    """Return every wait of a run, by the step that it comes after.

    The time is the ruling's, the conditions are the plan's; either can ask for a person.
    """
    found = dict(plan.waits)
    for hold in holds:
        wait = found.get(hold.step, Wait((), False, hold.within_s))
        found[hold.step] = Wait(wait.conditions, wait.person or hold.person, hold.within_s)
    return found
