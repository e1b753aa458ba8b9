"""Say why a condition is not met yet, in words."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils.translation import gettext

from remediation.domain.conditions import Consumer, Name, Sighting, window_s
from remediation.domain.gate.waited import consumers_of
from remediation.domain.plan import Plan
from remediation.domain.scope import ScopeConsumer
from remediation.domain.waits import Condition
from remediation.templatetags.portal import span


def unmet_words(
    name: str, detail: str, sighting: Sighting | None, consumers: Sequence[Consumer]
) -> str:
    """Describe why a condition is not met; `detail` can be text from the target."""
    if name == "not_moved":
        return gettext("Not seen on the new credential: %(names)s.") % {"names": detail}
    if name == "no_consumers":
        return gettext(
            "The inventory names no consumer, so nobody can be seen to move. A person has to decide"
            " whether it goes on."
        )
    if name == "source_silent":
        return gettext(
            "The record of uses was silent: it showed no use at all in the time that counts, so a"
            " missing use proves nothing."
        )
    if name == "not_observable":
        return gettext("The worker could not read the target: %(why)s") % {"why": detail}
    if name in ("look_too_old", "not_looked_at"):
        return gettext("The last look is too old to count. The worker looks again by itself.")
    if name in ("old_in_use", "window_open") and sighting is not None:
        return _quiet_words(name, sighting, consumers)
    return gettext("Not met: %(name)s %(detail)s") % {"name": name, "detail": detail}


def _quiet_words(name: str, sighting: Sighting, consumers: Sequence[Consumer]) -> str:
    earliest = _quiet_at(sighting, consumers)
    values = {
        "window": span(window_s(sighting, consumers)),
        "used": utc(sighting.old_used_at),
        "at": utc(earliest),
    }
    if name == "old_in_use":
        return (
            gettext(
                "The old credential was used at %(used)s. It counts as unused after %(window)s"
                " without a use: not before %(at)s."
            )
            % values
        )
    if earliest is None:
        return (
            gettext(
                "The old credential counts as unused after %(window)s without a use, but the record"
                " of uses does not show since when it is complete."
            )
            % values
        )
    return (
        gettext(
            "The old credential counts as unused after %(window)s without a use: not before %(at)s."
        )
        % values
    )


def _quiet_at(sighting: Sighting, consumers: Sequence[Consumer]) -> datetime | None:
    """Return from when on the old one can count as unused; None if that is not known."""
    begins = [at for at in (sighting.covers_since, sighting.old_used_at) if at is not None]
    if not begins:
        return None
    return max(begins) + timedelta(seconds=window_s(sighting, consumers))


def is_too_short(
    plan: Plan,
    known: Sequence[ScopeConsumer],
    sightings: Sequence[Sighting],
    deadline: datetime,
) -> bool:
    """Return whether the old one cannot count as unused before the deadline."""
    found = (
        _quiet_at(one, consumers_of(Condition(one.condition, one.step), plan.steps, known))
        for one in sightings
        if one.condition == Name.OLD_QUIET
    )
    return any(at is not None and at > deadline for at in found)


def utc(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "—"
