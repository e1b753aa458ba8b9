"""Decide from the English around a word whether it is negated or only supposed."""

from __future__ import annotations

import re

_DENIAL = re.compile(
    r"\b(?:no|not|never|without|nor|neither|none|nothing)\b|n['’]t\b", re.IGNORECASE
)
_SUPPOSED = re.compile(r"\b(?:should|must|would|could|might|may|if)\b", re.IGNORECASE)
_DENIED_AFTER = re.compile(
    r"[\s()`\"'“”,]*(?:\w+\s+){0,2}?(?:(?:was|were|is|are|has|have|had|did|does)\s+(?:not|never)\b|"
    r"\w+n['’]t\b|never\b)",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[.;:!?]\s")
# A "not" further away belongs to another statement.
_FAR = 80


def denied_before(text: str, at: int) -> bool:
    """Return whether the clause before the word contains a negation."""
    return _DENIAL.search(_before(text, at)) is not None


def not_asserted(text: str, start: int, end: int) -> bool:
    """Return whether the sentence negates it, or says that it could or should happen."""
    before = _before(text, start)
    return (
        _DENIAL.search(before) is not None
        or _SUPPOSED.search(before) is not None
        or _DENIED_AFTER.match(text, end) is not None
    )


def _before(text: str, at: int) -> str:
    return _CLAUSE.split(text[max(0, at - _FAR) : at])[-1]
