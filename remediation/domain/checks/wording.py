"""Plain English around a word: is it denied, or only supposed?"""

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
# A clause that is longer says something else by then.
_FAR = 80


def denied_before(text: str, at: int) -> bool:
    """The clause up to the word holds a "not"."""
    return _DENIAL.search(_before(text, at)) is not None


def not_asserted(text: str, start: int, end: int) -> bool:
    """The sentence says that it did not happen, or speaks of what could or should happen."""
    before = _before(text, start)
    return (
        _DENIAL.search(before) is not None
        or _SUPPOSED.search(before) is not None
        or _DENIED_AFTER.match(text, end) is not None
    )


def _before(text: str, at: int) -> str:
    return _CLAUSE.split(text[max(0, at - _FAR) : at])[-1]
