"""Template tags of the portal's pages: icons, times, tones. Nothing here decides anything."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

register = template.Library()

# Drawn for this project on a 16-unit grid; stroke only, so they take the text's colour.
ICONS = {
    "gate": "M3 14V4l5-2 5 2v10M3 14h10M8 7v3M6.5 8.5h3",
    "check": "M3.5 8.5l3 3 6-7",
    "cross": "M4 4l8 8M12 4l-8 8",
    "warn": "M8 2.5l6 11H2l6-11zM8 6.5v3M8 11.6v.1",
    "info": "M8 14A6 6 0 108 2a6 6 0 000 12zM8 7.3v3.4M8 5.2v.1",
    "circle": "M8 13A5 5 0 108 3a5 5 0 000 10z",
    "dot": "M8 9.5a1.5 1.5 0 100-3 1.5 1.5 0 000 3z",
    "clock": "M8 14A6 6 0 108 2a6 6 0 000 12zM8 4.8V8l2.2 1.6",
    "key": "M10.2 9.2a3.4 3.4 0 10-3.4-3.4c0 .4.1.8.2 1.1L2.5 11.5V13.5h2v-1.3h1.3v-1.3h1.3L8.8 9zM11 5v.1",
    "queue": "M2.5 4h11M2.5 8h11M2.5 12h7",
    "alert": "M8 2.2l5.8 10.6H2.2L8 2.2zM8 6.4v2.8M8 11.2v.1",
    "book": "M3 3.2h7.2A2.3 2.3 0 0112.5 5.5V13H5.2A2.2 2.2 0 013 10.8V3.2zM5.5 6h4.5M5.5 8.5h3.2",
    "gear": "M8 10.2a2.2 2.2 0 100-4.4 2.2 2.2 0 000 4.4zM8 1.8v2M8 12.2v2M1.8 8h2M12.2 8h2M3.6 3.6L5 5M11 11l1.4 1.4M12.4 3.6L11 5M5 11l-1.4 1.4",
    "user": "M8 8a2.8 2.8 0 100-5.6A2.8 2.8 0 008 8zM2.8 13.6c.7-2.4 2.7-3.6 5.2-3.6s4.5 1.2 5.2 3.6",
    "out": "M6.5 3H3v10h3.500M9.5 5l3 3-3 3M12.3 8H6.5",
    "return": "M6 4L2.8 7.2 6 10.400M3 7.200h6.500a3.7 3.7 0 010 7.400H7",
    "chevron": "M6 4l4 4-4 4",
    "play": "M5 3.500l7 4.5-7 4.500v-9z",
    "undo": "M5.5 3L2.5 6l3 3M2.7 6H9a4 4 0 010 8H6",
    "eye": "M1.5 8S4 3.5 8 3.5 14.5 8 14.5 8 12 12.5 8 12.5 1.5 8 1.5 8zM8 9.800a1.8 1.8 0 100-3.6 1.8 1.8 0 000 3.600z",
    "file": "M4 2h5l3 3v9H4V2zM9 2v3h3",
    "snow": "M8 1.800v12.400M2.6 4.900l10.8 6.200M13.4 4.900L2.6 11.100M6.5 3L8 4.5 9.5 3M6.5 13L8 11.5 9.5 13",
    "card": "M2 4h12v8H2V4zM2 6.800h12M4.3 9.700h2.5",
    "link": "M6.7 9.300l2.6-2.600M7 4.700l1.6-1.600a3 3 0 014.3 4.300L11.3 9M9 11.300l-1.6 1.600a3 3 0 01-4.3-4.300L4.7 7",
    "bot": "M3.5 6h9v7h-9V6zM8 3.500V6M8 2.600v.1M6 9v.800M10 9v.800M1.8 8.500v2M14.2 8.500v2",
    "lock": "M4 7.200h8V13.500H4V7.200zM5.7 7.200V5a2.3 2.3 0 014.6 0v2.2",
    "refresh": "M13 8a5 5 0 11-1.5-3.600M13 2.500v3h-3",
}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An inline icon; with ``label`` it is read out, without it is decoration."""
    path = mark_safe(ICONS[name])  # noqa: S308  (a constant of this file)
    if label:
        return format_html(
            '<svg class="icon" viewBox="0 0 16 16" role="img" aria-label="{}"><path d="{}"/></svg>',
            label,
            path,
        )
    return format_html(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{}"/></svg>', path
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """An absolute time in UTC."""
    if value is None:
        return "—"
    return format_html('<time datetime="{}">{}</time>', _iso(value), _utc(value))


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """How long ago; the page's script keeps it current, UTC stands in the title."""
    if value is None:
        return "—"
    passed = (timezone.now() - value).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}" data-clock="ago">{}</time>',
        _iso(value),
        _utc(value),
        f"{span(passed)} ago" if passed >= 1 else "just now",
    )


@register.filter
def until(value: datetime | None) -> SafeString | str:
    """The time left to a deadline, or by how much it has passed."""
    if value is None:
        return "—"
    left = (value - timezone.now()).total_seconds()
    return format_html(
        '<time datetime="{}" title="{}" data-clock="until">{}</time>',
        _iso(value),
        _utc(value),
        f"{span(left)} left" if left > 0 else f"{span(-left)} over",
    )


@register.filter
def duration(seconds: float) -> str:
    return span(seconds)


def span(seconds: float) -> str:
    """``4 d 3 h``, ``2 h 5 min``, ``7 min``, ``40 s``: two units at most, as in clock.js."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{rest} s"


@register.filter
def size(value: int) -> str:
    """A number of bytes, exact."""
    return f"{value:,} byte{'' if value == 1 else 's'}"


@register.filter
def words(value: object) -> str:
    """A name from a closed vocabulary as words: ``rolled_back`` → ``rolled back``."""
    return str(value).replace("_", " ").replace(":", " · ")


@register.filter
def csv(value: str) -> list[str]:
    """The members of a comma-separated constant of a template."""
    return value.split(",")


# What a word of the vocabulary looks like: (tone, icon). The word itself is always shown as well.
TONES = {
    "pass": ("ok", "check"),
    "warn": ("warn", "warn"),
    "fail": ("bad", "cross"),
    "low": ("muted", "dot"),
    "medium": ("accent", "circle"),
    "high": ("warn", "warn"),
    "critical": ("bad", "alert"),
    "submitted": ("muted", "clock"),
    "in_review": ("accent", "eye"),
    "approved": ("ok", "check"),
    "executing": ("accent", "play"),
    "succeeded": ("ok", "check"),
    "failed": ("bad", "cross"),
    "rolled_back": ("warn", "undo"),
    "unknown": ("bad", "warn"),
    "rejected": ("bad", "cross"),
    "returned": ("warn", "return"),
    "withdrawn": ("muted", "undo"),
    "superseded": ("muted", "return"),
    "expired": ("warn", "clock"),
    "refused": ("bad", "lock"),
    "open": ("warn", "alert"),
    "contained": ("ok", "check"),
    "closed": ("muted", "check"),
    "approve": ("ok", "check"),
    "reject": ("bad", "cross"),
    "return": ("warn", "return"),
    "yes": ("ok", "check"),
    "no": ("bad", "cross"),
    "intended": ("accent", "play"),
    "applied": ("ok", "check"),
    "verified": ("ok", "check"),
    "undo_intended": ("warn", "undo"),
    "undone": ("warn", "undo"),
    "undo_failed": ("bad", "cross"),
    "production": ("warn", "alert"),
}


@register.simple_tag
def pill(word: str, text: str = "") -> SafeString:
    """A labelled pill for a word of the vocabulary; unknown words look neutral."""
    tone, symbol = TONES.get(word, ("muted", "dot"))
    return format_html(
        '<span class="pill {}">{}{}</span>', tone, icon(symbol), text or words(word)
    )


@register.simple_tag
def tone_icon(word: str) -> SafeString:
    """Only the icon of a word, in its tone; for timelines, where the word stands beside it."""
    tone, symbol = TONES.get(word, ("muted", "dot"))
    return format_html('<span class="tone-{}">{}</span>', tone, icon(symbol))


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
