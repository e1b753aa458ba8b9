"""Read which channels of notifications fail, for pages; the worker writes it."""

from __future__ import annotations

from remediation.models import NoticeChannel


def known_channels() -> tuple[NoticeChannel, ...]:
    """Return the valid row of each channel that still exists, by name."""
    rows = NoticeChannel.objects.order_by("name", "-id").distinct("name")
    return tuple(row for row in rows if row.state != "removed")


def failing_channels() -> tuple[NoticeChannel, ...]:
    """Return the channels that do not deliver now."""
    return tuple(row for row in known_channels() if row.state == "failing")
