"""Page data of what an action does not stop and whom it cuts, and where that was seen."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from remediation import vocabulary
from remediation.domain.limits import LimitSentence, Standing, credential, limits, place_of
from remediation.domain.observation import Observation
from remediation.domain.plan import Step


@dataclass(frozen=True)
class LimitRow:
    """One limit. `at` and `place` say where it was seen; empty if it was not looked at."""

    text_untrusted: str
    unknown: bool
    at: datetime | None = None
    place_untrusted: str = ""
    absent: bool = False  # it was seen that there is nothing of the kind


@dataclass(frozen=True)
class DoesNotStop:
    """What was seen at this target, then what the action never stops; and whom it cuts."""

    seen: tuple[LimitRow, ...]
    never: tuple[str, ...]
    cuts: tuple[LimitRow, ...] = ()

    @property
    def count(self) -> int:
        return len(self.seen) + len(self.never)


@dataclass(frozen=True)
class CredentialRow:
    """How far the worker's credential for a step is cut to it."""

    text_untrusted: str
    cut: bool


def credential_row(step: Step, observation: Observation | None) -> CredentialRow | None:
    """Return what the worker's credential can do besides the step; None if it never runs."""
    found = credential(step, observation)
    if found is None:
        return None
    text = found.fill(vocabulary.saying(found.sentence))
    return CredentialRow(text, cut=found.standing is Standing.ABSENT)


def does_not_stop(step: Step, observation: Observation | None, at: datetime | None) -> DoesNotStop:
    """Return the limits of a step; `at` is when the worker read the target."""
    found = limits(step, observation)
    return DoesNotStop(
        seen=tuple(_row(step, limit, at) for limit in found if not limit.cuts),
        never=tuple(vocabulary.saying(one) for one in step.spec.cannot),
        cuts=tuple(_row(step, limit, at) for limit in found if limit.cuts),
    )


def _row(step: Step, limit: LimitSentence, at: datetime | None) -> LimitRow:
    text = limit.fill(vocabulary.saying(limit.sentence))
    if limit.standing is Standing.UNKNOWN:
        return LimitRow(text, unknown=True)
    absent = limit.standing is Standing.ABSENT
    return LimitRow(
        text, unknown=False, at=at, place_untrusted=place_of(step.target), absent=absent
    )
