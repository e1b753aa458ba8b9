"""Say why a person who administered people decides and uncovers nothing, and until when."""

from __future__ import annotations

from datetime import UTC, datetime

from django.utils.translation import gettext

from remediation.services.access.administered import Administered


def describe_administered(held: Administered) -> str:
    """Describe since when the person administered people, and when that stops to count."""
    if held.until is None or held.free_at is None:
        return gettext(
            "You administer people since %(since)s. Until 7 days after that ends, you decide"
            " nothing and reveal no secrets."
        ) % {"since": _format(held.since)}
    return gettext(
        "You administered people from %(since)s until %(until)s. You may decide and reveal secrets"
        " again from %(free)s on."
    ) % {
        "since": _format(held.since),
        "until": _format(held.until),
        "free": _format(held.free_at),
    }


def _format(at: datetime | None) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC") if at else gettext("an unknown time")
