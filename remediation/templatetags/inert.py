"""Template filters for text that agents wrote: escaped, visible, whole, never a link."""

from __future__ import annotations

from django import template
from django.utils.formats import number_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import ngettext

from remediation.domain import inert as domain

register = template.Library()


@register.filter
def inert(value: object) -> SafeString:
    """Return the text as escaped HTML, each hidden character as a marked code point."""
    return format_html_join(
        "",
        "{}",
        ((_render(piece),) for piece in domain.pieces(str(value))),
    )


@register.filter
def inert_line(value: object) -> SafeString:
    """Return one line as `inert` does: a line break in a title could forge a row of a list."""
    found = domain.pieces(str(value), one_line=True)
    return format_html_join("", "{}", ((_render(piece),) for piece in found))


@register.filter
def plain(value: object) -> str:
    """Return the text on one line without marks, for a title or an attribute; Django escapes it."""
    return domain.line(str(value))


@register.filter
def measure(value: object) -> str:
    """Describe the length in lines and characters, and how many characters are hidden.

    So that no reader takes the first screen for the full text.
    """
    text = str(value)
    lines, characters = text.count("\n") + 1, len(text)
    unseen = sum(1 for piece in domain.pieces(text) if piece.unseen)
    parts = [
        ngettext("%(number)s line", "%(number)s lines", lines) % _number(lines),
        ngettext("%(number)s character", "%(number)s characters", characters) % _number(characters),
    ]
    if unseen:
        parts.append(
            ngettext(
                "%(number)s hidden character shown as code points",
                "%(number)s hidden characters shown as code points",
                unseen,
            )
            % _number(unseen)
        )
    return ", ".join(parts)


def _render(piece: domain.Piece) -> SafeString | str:
    if not piece.unseen:
        return piece.text
    return format_html('<span class="cp" title="{}">{}</span>', piece.unseen, piece.text)


def _number(number: int) -> dict[str, str]:
    return {"number": number_format(number, force_grouping=True)}
