"""How an import's page says values."""

from __future__ import annotations

from django import template

from remediation.domain.intake import report
from remediation.domain.intake.changes import Change

register = template.Library()


@register.filter
def said(value: str | bool) -> str:
    return report.word(value)


@register.filter
def named(name: str) -> str:
    return report.named(name)


@register.filter
def needed(change: Change) -> str:
    """The other end of a dependency."""
    return change.key[1] or change.key[2]
