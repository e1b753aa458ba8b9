"""Text of agents made harmless to look at: nothing hidden, nothing shortened, nothing reordered.

A character that shows nothing, moves other characters or breaks a line unseen is replaced by its
code point between angle brackets, ``⟨U+202E⟩``. Line feed, tab and the plain space stay as they
are. What comes out still has to be escaped for its medium (attacks.md A01, A52, A60).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Unicode general categories (UAX #44, table 12) without a visible shape of their own: control,
# format (bidi, zero-width, tags), surrogate, private use, unassigned, line and paragraph separator.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that are drawn as nothing though their category says otherwise
# (DerivedCoreProperties.txt, Default_Ignorable_Code_Point), and the empty braille pattern.
_BLANK = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
# Two marks on one letter occur in real scripts (Vietnamese, Hebrew); a pile of them covers lines.
_MARKS_AT_MOST = 2


@dataclass(frozen=True)
class Piece:
    """A run of plain text, or one unseen character when ``unseen`` is its name."""

    text: str
    unseen: str = ""


def pieces(text: str) -> Iterator[Piece]:
    """Cut ``text`` into plain runs and unseen characters; together they are the whole of it."""
    plain: list[str] = []
    marks = _MARKS_AT_MOST  # a mark without a letter before it would sit on the frame
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if character in "\n\t":
            marks = _MARKS_AT_MOST
        if not _is_unseen(character) and marks <= _MARKS_AT_MOST:
            plain.append(character)
            continue
        if plain:
            yield Piece("".join(plain))
            plain.clear()
        yield Piece(f"⟨U+{ord(character):04X}⟩", unicodedata.name(character, "unnamed character"))
    if plain:
        yield Piece("".join(plain))


def visible(text: str) -> str:
    """``text`` with each unseen character as its code point; for plain-text media."""
    return "".join(piece.text for piece in pieces(text))


def _is_unseen(character: str) -> bool:
    if character in "\n\t ":
        return False
    category = unicodedata.category(character)
    # Zs beyond the plain space: no-break, ideographic and other spaces that pad unseen.
    return category in _UNSEEN or category == "Zs" or ord(character) in _BLANK
