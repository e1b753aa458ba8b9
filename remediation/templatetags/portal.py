"""Template tags of the portal's pages: icons, times, tones. They only format."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, gettext_lazy, ngettext

from remediation import vocabulary
from remediation.templatetags.icons import ICONS
from remediation.vocabulary.terms import TERMS

register = template.Library()


@register.simple_tag
def icon(name: str, label: object = "") -> SafeString:
    """Return an inline icon. Screen readers read ``label``; without one the icon is decoration."""
    return _drawn(name, str(label))


@lru_cache(maxsize=1024)  # a list shows the same few icons hundreds of times
def _drawn(name: str, label: str) -> SafeString:
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
    """Format an absolute time in UTC."""
    if value is None:
        return "—"
    return format_html('<time datetime="{}">{}</time>', _iso(value), _utc(value))


@register.filter
def clock_time(value: datetime) -> SafeString:
    """Format a time of today as ``17:04 UTC``, another one with its date."""
    utc = value.astimezone(UTC)
    form = (
        "%H:%M UTC" if utc.date() == timezone.now().astimezone(UTC).date() else "%Y-%m-%d %H:%M UTC"
    )
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', _iso(value), _utc(value), utc.strftime(form)
    )


# Texts of times; clock.js reads the same ones from the page (`clock_words`).
CLOCK = {
    "now": gettext_lazy("just now"),
    # Translators: how long ago; {span} is such as "4 d 3 h".
    "ago": gettext_lazy("{span} ago"),
    # Translators: the time left to a deadline.
    "left": gettext_lazy("{span} left"),
    # Translators: by how much a deadline has passed.
    "over": gettext_lazy("{span} over"),
    # Translators: days and hours, as short as units are.
    "days-hours": gettext_lazy("{days} d {hours} h"),
    "days": gettext_lazy("{days} d"),
    "hours-minutes": gettext_lazy("{hours} h {minutes} min"),
    "hours": gettext_lazy("{hours} h"),
    "minutes": gettext_lazy("{minutes} min"),
    "seconds": gettext_lazy("{seconds} s"),
    # Translators: before the title of a browser tab.
    "soon": gettext_lazy("({minutes} min)"),
    "soon-review": gettext_lazy(
        "{minutes} min left. If nobody decides, it expires and nothing runs."
    ),
    "soon-queue": gettext_lazy("A proposal expires in {minutes} min if nobody decides."),
}


@register.simple_tag
def clock_words() -> SafeString:
    """Return the texts of times for the page's script."""
    return _clock_words(get_language())


@lru_cache(maxsize=64)  # they are on every page
def _clock_words(language: str | None) -> SafeString:
    words = format_html_join("", '<p data-word="{}">{}</p>', CLOCK.items())
    return format_html('<template data-words="clock">{}</template>', words)


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """Format how long ago; the page's script updates it, the title has UTC."""
    if value is None:
        return "—"
    passed = (timezone.now() - value).total_seconds()
    return _clock(value, "ago", "ago" if passed >= 1 else "now", passed)


@register.filter
def until(value: datetime | None) -> SafeString | str:
    """Format the time left to a deadline, or the time since it passed."""
    if value is None:
        return "—"
    left = (value - timezone.now()).total_seconds()
    return _clock(value, "until", "left" if left > 0 else "over", abs(left))


def _clock(value: datetime, clock: str, word: str, seconds: float) -> SafeString:
    return format_html(
        '<time datetime="{}" title="{}" data-clock="{}">{}</time>',
        _iso(value),
        _utc(value),
        clock,
        str(CLOCK[word]).format(span=span(seconds)),
    )


@register.filter
def duration(seconds: float) -> str:
    """Format a length of time."""
    return span(seconds)


def span(seconds: float) -> str:
    """Format seconds as ``4 d 3 h``, ``2 h 5 min``, ``7 min`` or ``40 s``, as clock.js does."""
    whole = max(0, int(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    if days:
        form = "days-hours" if hours else "days"
    elif hours:
        form = "hours-minutes" if minutes else "hours"
    else:
        form = "minutes" if minutes else "seconds"
    return str(CLOCK[form]).format(days=days, hours=hours, minutes=minutes, seconds=rest)


@register.filter
def size(value: int) -> str:
    """Format an exact number of bytes."""
    values = {"number": number_format(value, force_grouping=True)}
    return ngettext("%(number)s byte", "%(number)s bytes", value) % values


@register.simple_tag
def term(name: str) -> SafeString:
    """Return a "?" beside a house word: the explanation as its title, a link to the help page."""
    label = gettext("What is: %(word)s?") % {"word": TERMS[name].title}
    return format_html(
        '<a class="term" href="{}#{}" title="{}" aria-label="{}">?</a>',
        reverse("help"),
        name,
        TERMS[name].text,
        label,
    )


@register.filter
def words(value: object) -> str:
    """Return a name from a closed vocabulary in words: ``rolled_back`` → ``rolled back``."""
    return vocabulary.word(value)


@register.filter
def each_word(value: str) -> str:
    """Return several names in words, separated by dots."""
    return " · ".join(vocabulary.word(name) for name in value.split(" · "))


@register.filter
def saying(value: object) -> str:
    """Return a fixed sentence or title of the domain in the reader's language."""
    return vocabulary.saying(str(value))


@register.filter
def names(value: list[str]) -> str:
    """Return names of people or slots as a list in a sentence."""
    return ", ".join(value)


@register.filter
def csv(value: str) -> list[str]:
    """Split a comma-separated constant of a template."""
    return value.split(",")


@register.filter
def wait_after(flow: object, number: int) -> object:
    """Return the wait after a step (`PlanFlow.wait_after`); a page without a plan has none."""
    find = getattr(flow, "wait_after", None)
    return find(number) if find else None


# (tone, icon) of a word of the vocabulary. The word itself is always shown as well.
TONES = {
    "pass": ("ok", "check"),
    "warn": ("warn", "warn"),
    "fail": ("bad", "cross"),
    "not_read": ("warn", "circle"),
    "low": ("muted", "dot"),
    "medium": ("accent", "circle"),
    "high": ("warn", "warn"),
    "critical": ("bad", "alert"),
    "submitted": ("muted", "clock"),
    "in_review": ("accent", "eye"),
    "approved": ("ok", "check"),
    "executing": ("accent", "play"),
    "waiting": ("accent", "clock"),
    "go_on": ("ok", "play"),
    "longer": ("accent", "clock"),
    "not_seen": ("muted", "circle"),
    "told": ("accent", "info"),
    "fetched": ("accent", "file"),
    "moved": ("ok", "check"),
    "succeeded": ("ok", "check"),
    "failed": ("bad", "cross"),
    "stopped": ("warn", "stop"),
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
    "applied": ("accent", "check"),
    "verified": ("ok", "check"),
    "undo_intended": ("warn", "undo"),
    "undone": ("warn", "undo"),
    "undo_failed": ("bad", "cross"),
    "halted": ("warn", "stop"),
    "not_begun": ("muted", "circle"),
    "production": ("warn", "alert"),
    "comment": ("accent", "user"),
    "assigned": ("muted", "user"),
    "notice": ("muted", "info"),
}


@register.simple_tag
def pill(word: str, text: object = "") -> SafeString:
    """Return a labelled pill for a word of the vocabulary; unknown words look neutral."""
    # The cache does not depend on the language, so the text is part of its key.
    return _labelled(str(word), str(text) or words(word))


@lru_cache(maxsize=1024)
def _labelled(word: str, text: str) -> SafeString:
    tone, symbol = TONES.get(word, ("muted", "dot"))
    return format_html('<span class="pill {}">{}{}</span>', tone, icon(symbol), text)


@register.simple_tag
def tone_icon(word: str) -> SafeString:
    """Return only the icon of a word, in its tone; for timelines, which show the word too."""
    tone, symbol = TONES.get(word, ("muted", "dot"))
    return format_html('<span class="tone-{}">{}</span>', tone, icon(symbol))


def _iso(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _utc(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
