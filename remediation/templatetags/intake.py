"""Template filters of the import page: values and names in words."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain.intake.changes import Change, Value
from remediation.templatetags.portal import span

register = template.Library()


@register.filter
def format_value(value: Value) -> str:
    """Format a value of the inventory; a number is a length of time."""
    if isinstance(value, bool):
        return vocabulary.word("yes" if value else "no")
    if isinstance(value, int):
        return span(value)
    # Translators: a value of the inventory that is empty.
    return vocabulary.word(value) if value else gettext("(none)")


@register.filter
def named(name: str) -> str:
    """Return the name of a column in words."""
    return vocabulary.word(name)


@register.filter
def needed(change: Change) -> str:
    """Return the service or identity that a dependency points to."""
    return change.key[1] or change.key[2]
