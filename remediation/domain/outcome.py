"""Derive the outcome of each step from its recorded phases, with the words for it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of a step so far, from its recorded phases."""

    NOT_BEGUN = "not_begun"
    INTENDED = "intended"
    APPLIED = "applied"  # not yet verified
    VERIFIED = "verified"
    UNCONFIRMED = "unconfirmed"
    FAILED = "failed"
    UNKNOWN = "unknown"
    UNDOING = "undo_intended"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


WORDS: dict[Outcome, str] = {
    Outcome.NOT_BEGUN: "not begun",
    Outcome.INTENDED: "being applied",
    Outcome.APPLIED: "applied, not yet confirmed",
    Outcome.UNCONFIRMED: "applied, not confirmed",
    Outcome.VERIFIED: "applied and verified",
    Outcome.FAILED: "failed",
    Outcome.UNKNOWN: "outcome not known",
    Outcome.UNDOING: "being rolled back",
    Outcome.UNDONE: "rolled back",
    Outcome.UNDO_FAILED: "could not be rolled back",
}
# The first of these among a step's phases is its outcome.
_LATEST = (
    Outcome.UNDO_FAILED,
    Outcome.UNDONE,
    Outcome.UNDOING,
    Outcome.FAILED,
    Outcome.VERIFIED,
    Outcome.UNCONFIRMED,
    Outcome.APPLIED,
    Outcome.UNKNOWN,
    Outcome.INTENDED,
)


@dataclass(frozen=True)
class StepOutcome:
    """A step's outcome; ``reason`` is the name of the refusal that ended the step, if any."""

    step: int
    outcome: Outcome
    reason: str = ""

    @property
    def words(self) -> str:
        return WORDS[self.outcome]


def outcome_of(phases: Collection[str]) -> Outcome:
    """Return the outcome of a step with these recorded phases."""
    return next((found for found in _LATEST if found in phases), Outcome.NOT_BEGUN)


def outcomes(
    steps: int, records: Iterable[tuple[int, str, Mapping[str, object]]]
) -> tuple[StepOutcome, ...]:
    """Return the outcome of each of `steps` steps, from (step, phase, data) in any order."""
    phases: dict[int, set[str]] = {}
    reasons: dict[int, str] = {}
    for step, phase, data in records:
        phases.setdefault(step, set()).add(phase)
        if phase in ("failed", "unknown", "unconfirmed", "undo_failed"):
            reasons[step] = str(data.get("refusal", ""))
    return tuple(
        StepOutcome(step, outcome_of(phases.get(step, ())), reasons.get(step, ""))
        for step in range(steps)
    )
