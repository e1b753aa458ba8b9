"""How an import's page says values."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.intake.changes import Change

register = template.Library()


@register.filter
def said(value: str | bool) -> str:
    if isinstance(value, bool):
        return vocabulary.word("yes" if value else "no")
    # Translators: a value of the inventory that is empty.
    return vocabulary.word(value) if value else gettext("(none)")


@register.filter
def named(name: str) -> str:
    return vocabulary.word(name)


@register.filter
def needed(change: Change) -> str:
    """The other end of a dependency."""
    return change.key[1] or change.key[2]
