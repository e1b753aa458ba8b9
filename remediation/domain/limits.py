"""What an action does not stop at one target, and what it cuts there, from what was seen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json
from remediation.domain.catalogue import TARGETS, Limit
from remediation.domain.observation import Observation
from remediation.domain.plan import Step, Target, format_name


class Standing(StrEnum):
    """Whether the observation shows what a limit is about."""

    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class LimitSentence:
    """One limit in words. `sentence` is the catalogue's, so that pages can translate it; in it
    "{value}" stands for `value_untrusted`: names that others gave, one after the other."""

    field: str
    standing: Standing
    sentence: str
    value_untrusted: str = ""
    cuts: bool = False

    def fill(self, sentence: str) -> str:
        """Return a translation of the sentence with the value; the result is untrusted, too."""
        # Not str.format: a translation or a value may hold other braces.
        return sentence.replace("{value}", self.value_untrusted)


def limits(step: Step, observation: Observation | None) -> tuple[LimitSentence, ...]:
    """Return the action's declared limits as this observation shows them.

    None, or an observation without a field, says that it was not looked at. What is absent and
    has no sentence is left out.
    """
    shown = observation.shown if observation is not None and observation.exists else {}
    found = (_limit(limit, shown.get(limit.field)) for limit in step.spec.limits)
    return tuple(limit for limit in found if limit.sentence)


def credential(step: Step, observation: Observation | None) -> LimitSentence | None:
    """Return how far the worker's credential is cut to the step: absent says that it is.

    None for an earlier version of an action, which never runs.
    """
    declared = step.spec.credential
    if declared is None:
        return None
    if not declared.field:
        return _limit(declared, bool(declared.present))
    shown = observation.shown if observation is not None and observation.exists else {}
    return _limit(declared, shown.get(declared.field))


def place_of(target: Target) -> str:
    """Return where the target is, for people: its other fields, or its locator if it has none."""
    distinguishing = TARGETS[target.kind].distinguishing
    others = (format_name(v) for name, v in target.fields.items() if name != distinguishing)
    return ", ".join(others) or target.locator


def _limit(limit: Limit, value: Json) -> LimitSentence:
    if value is None:
        return LimitSentence(limit.field, Standing.UNKNOWN, limit.unknown, cuts=limit.cuts)
    if not value:
        return LimitSentence(limit.field, Standing.ABSENT, limit.absent, cuts=limit.cuts)
    return LimitSentence(limit.field, Standing.PRESENT, limit.present, _format(value), limit.cuts)


def _format(value: Json) -> str:
    """Format names so that none of them reads as two, or as words of the sentence."""
    if isinstance(value, list):
        return ", ".join(_format(one) for one in value)
    if isinstance(value, dict):
        first, *others = (_format(one) for one in value.values())
        return f"{first} ({', '.join(others)})" if others else first
    return format_name(value) if isinstance(value, str) else str(value)
