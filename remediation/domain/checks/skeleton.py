"""When two names look alike, and text as a reader sees it: one form for many spellings."""

from __future__ import annotations

import re
import unicodedata

from remediation.domain import inert

# Letters of other scripts that are drawn like a Latin one (Unicode confusables.txt, UTS #39,
# those in use for names), after casefolding.
_LATIN = str.maketrans(
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u0432\u043c"
    "\u043d\u0442\u043a\u0433\u03b1\u03bf\u03c1\u03c5\u03bd\u03b9\u03ba\u03c4\u03b5\u0131\u0251"
    "\u0261\u0578\u057d\u0585\u0566",
    "aeopcyxijshdqbmhtkraopuvikteiagnuoq",
)
# Signs that are taken for each other at a glance.
_GLANCE = str.maketrans({"0": "o", "1": "l", "i": "l", "|": "l", "5": "s", "-": "_", ".": "_"})
# Below this length a single other letter makes another word.
_ONE_EDIT, _TWO_EDITS = 5, 12
# Invisible copies of ASCII, which a model reads.
_TAGS = re.compile("[\U000e0020-\U000e007e]+")


def readable(text: str) -> str:
    """Text as one reads it: wide, styled and accented letters plain, tags said, no hidden ones."""
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
    """Readable text with letters of other scripts as the Latin ones that they look like."""
    return text.translate(_LATIN)


def skeleton(name: str) -> str:
    """What a name looks like at a glance."""
    return latin(readable(name)).translate(_GLANCE).replace("rn", "m").replace("vv", "w")


def look_alike(one: str, other: str) -> bool:
    """Two different names that a person could take for each other."""
    if one == other:
        return False
    if skeleton(one) == skeleton(other):
        return True
    length = min(len(one), len(other))
    allowed = 2 if length >= _TWO_EDITS else 1 if length >= _ONE_EDIT else 0
    near = abs(len(one) - len(other)) <= allowed
    return near and 0 < edits(one, other, allowed) <= allowed


def edits(one: str, other: str, most: int) -> int:
    """How many letters were added, left out, changed or swapped; more than `most` is just more.

    Optimal string alignment, row by row; it gives up where no way is short enough.
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
