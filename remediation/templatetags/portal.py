"""Template tags of the portal's pages: icons, times, tones. Nothing here decides anything."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from remediation.templatetags.icons import ICONS

register = template.Library()


@register.simple_tag
@lru_cache(maxsize=1024)  # a list draws the same few hundreds of times
def icon(name: str, label: str = "") -> SafeString:
    """An inline icon; with ``label`` it is read out, without it is decoration."""
    path = mark_safe(ICONS[name])  # noqa: S308  (a constant)
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
    "halted": ("warn", "stop"),
    "not_begun": ("muted", "circle"),
    "production": ("warn", "alert"),
}


@register.simple_tag
@lru_cache(maxsize=1024)
def pill(word: str, text: str = "") -> SafeString:
    """A labelled pill for a word of the vocabulary; unknown words look neutral."""
    tone, symbol = TONES.get(word, ("muted", "dot"))
    return format_html('<span class="pill {}">{}{}</span>', tone, icon(symbol), text or words(word))


@register.simple_tag
def tone_icon(word: str) -> SafeString:
    """Only the icon of a word, in its tone; for timelines, where the word stands beside it."""
    tone, symbol = TONES.get(word, ("muted", "dot"))
    return format_html('<span class="tone-{}">{}</span>', tone, icon(symbol))


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
