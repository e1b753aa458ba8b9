"""Decide whether two names look alike; normalise text to what a reader sees; find names in it."""

from __future__ import annotations

import re
import unicodedata

from remediation.domain import inert
from remediation.domain.catalogue.locators import is_plain

# Letters of other scripts that look like a Latin one, after casefolding (from Unicode
# confusables.txt, UTS #39; those used in names).
_LATIN = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u0432\u043c"
    "\u043d\u0442\u043a\u0433\u03b1\u03bf\u03c1\u03c5\u03bd\u03b9\u03ba\u03c4\u03b5\u0131\u0251"
    "\u0261\u0578\u057d\u0585\u0566",
    "aeopcyxijshdqbmhtkraopuvikteiagnuoq",
)
# Characters that people confuse at a glance.
_GLANCE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "-": "_", ".": "_"})
# In shorter names a single different letter makes a different word.
_ONE_EDIT, _TWO_EDITS = 5, 12
# Invisible copies of ASCII characters, which a model can read.
_TAGS = re.compile("[\U000e0020-\U000e007e]+")


def readable(text: str) -> str:
    """Return text as a reader sees it: plain letters, no hidden characters, tags made visible."""
    if text.isascii() and text.isprintable():
        return text.casefold()
    plain = unicodedata.normalize("NFKD", _TAGS.sub(_said, text))
    shown = "".join(
        piece.text for piece in inert.pieces(plain.replace("\r", "\n")) if not piece.unseen
    )
    return "".join(c for c in shown if not unicodedata.combining(c)).casefold()


def _said(tags: re.Match[str]) -> str:
    return " " + "".join(chr(ord(tag) - 0xE0000) for tag in tags[0]) + " "


def latin(text: str) -> str:
    """Replace letters of other scripts by the Latin ones that they look like."""
    return text.translate(_LATIN)


def skeleton(name: str) -> str:
    """Return one form for all names that look alike at a glance."""
    return latin(readable(name)).translate(_GLANCE).replace("rn", "m").replace("vv", "w")


def look_alike(one: str, other: str) -> bool:
    """Return whether a person could confuse these two different names."""
    if one == other:
        return False
    if skeleton(one) == skeleton(other):
        return True
    length = min(len(one), len(other))
    allowed = 2 if length >= _TWO_EDITS else 1 if length >= _ONE_EDIT else 0
    near = abs(len(one) - len(other)) <= allowed
    return near and 0 < edits(one, other, allowed) <= allowed


def twin(one: str, other: str) -> bool:
    """Return whether two different names read the same, one of them by unusual characters."""
    if one == other or (is_plain(one) and is_plain(other)):
        return False
    return latin(readable(one)) == latin(readable(other))


def edits(one: str, other: str, most: int) -> int:
    """Return the number of added, removed, changed or swapped letters, or a number above `most`.

    Optimal string alignment, row by row; stops early when the distance must exceed `most`.
    """
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        last, row = row, [i]
        for j, b in enumerate(other, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                best = min(best, before[j - 2] + 1)
            row.append(best)
        if min(row) > most:
            return most + 1
        before = last
    return row[-1]


def stands_in(value: str, text: str) -> bool:
    """Return whether the text contains the value as a whole word.

    A value without a letter or digit stands in nearly every text; it must be a line of its own,
    as values of JSON are here.
    """
    if value not in text:  # much faster than a pattern
        return False
    if not re.search(r"\w", value):
        return re.search(rf"^{re.escape(value)}$", text, re.MULTILINE) is not None
    return re.search(rf"(?<![\w$-]){re.escape(value)}(?![\w$-])", text) is not None
