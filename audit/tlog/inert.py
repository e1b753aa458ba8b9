"""Text of somebody else made harmless wherever it goes: one function for each destination.

A character that shows nothing, moves other characters or breaks a line unseen is replaced by its
code point between angle brackets, ``⟨U+202E⟩``; nothing is dropped, nothing is reordered
(docs/attacks.md A01, A52, A60).

| destination | function | what it adds |
|---|---|---|
| page | `pieces` | the template filter `inert` escapes them and marks what is unseen |
| title, attribute | `line` | one line |
| mail, chat | `message` | one line, no address that a client turns into a link, no mention |
| subject of a mail | `subject` | as `message`, cut visibly |
| log | `log_line` | ASCII, one line, also where a traceback is many |
| terminal | `terminal` | ASCII, nothing that steers it |
| spreadsheet | `csv_cell` | one line, never a formula |
| the record | `noted` | one line that the log accepts, cut |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Unicode general categories (UAX #44, table 12) without a visible shape of their own: control,
# format (bidi, zero-width, tags), surrogate, private use, unassigned, line and paragraph separator.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that are drawn as nothing though their category says otherwise
# (DerivedCoreProperties.txt, Default_Ignorable_Code_Point), the empty braille pattern, and the
# place of an object that is not there (found by tests/hostile, which measures each in Chromium).
_BLANK = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0xFFFC),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
# What a spreadsheet takes for the beginning of a formula, also in the forms that it normalises.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127)}
# What clients of mail and chat make into links and mentions: a scheme, "www.", markup of the
# chat. The sign that makes it one is put between brackets, so that it stays readable.
_LINKS = re.compile(r"://|\bwww\.|\bmailto:|[<>]|@(?=[\w-])", re.IGNORECASE)
# Two marks on one letter occur in real scripts (Vietnamese, Hebrew); a pile of them covers lines.
_MARKS_AT_MOST = 2


@dataclass(frozen=True)
class Piece:
    """A run of plain text, or one unseen character when ``unseen`` is its name."""

    text: str
    unseen: str = ""


def pieces(text: str, *, one_line: bool = False) -> Iterator[Piece]:
    """Cut ``text`` into plain runs and unseen characters; together they are the whole of it. With
    ``one_line`` a line feed and a tab are unseen too: in a list they would look like other rows.
    """
    plain: list[str] = []
    marks = _MARKS_AT_MOST  # a mark without a letter before it would sit on the frame
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if character in "\n\t":
            marks = _MARKS_AT_MOST
        unseen = _is_unseen(character) or (one_line and character in "\n\t")
        if not unseen and marks <= _MARKS_AT_MOST:
            plain.append(character)
            continue
        if plain:
            yield Piece("".join(plain))
            plain.clear()
        yield Piece(f"⟨U+{ord(character):04X}⟩", unicodedata.name(character, "unnamed character"))
    if plain:
        yield Piece("".join(plain))


def visible(text: str) -> str:
    """``text`` with each unseen character as its code point; line feeds and tabs stay."""
    return "".join(piece.text for piece in pieces(text))


def line(text: str) -> str:
    """``text`` on one line: line feeds and tabs are shown as well."""
    return "".join(piece.text for piece in pieces(text, one_line=True))


def message(text: str) -> str:
    """``text`` for a mail or a chat: one line, and nothing that a client makes into a link."""
    return _LINKS.sub(lambda match: f"[{match[0]}]", line(text))


def subject(text: str, most: int = 80) -> str:
    """``text`` for the subject of a mail, which says where it is cut."""
    shown = message(text)
    return shown if len(shown) <= most else shown[: most - 2] + " …"


def log_line(text: str) -> str:
    """``text`` as one line of ASCII; backslashes are doubled, so that no escape can be forged."""
    return text.encode("unicode_escape").decode("ascii")


def terminal(text: str) -> str:
    """``text`` as one line of ASCII in which nothing steers a terminal."""
    return text.encode("ascii", errors="backslashreplace").decode().translate(_CONTROLS)


def csv_cell(text: str) -> str:
    """``text`` as a cell that a spreadsheet shows and does not run, and that breaks no line."""
    shown = "".join(
        f"\\u{ord(one):04x}" if _is_unseen(one) or one in "\n\t" else one for one in text
    )
    plain = unicodedata.normalize("NFKC", shown).lstrip(" '\"")
    return f"'{shown}" if plain.startswith(_FORMULA) else shown


def alike(name: str) -> str:
    """The form in which names that look alike are one: case, spaces and forms of a letter do not
    make two people."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def noted(text: str, most: int) -> str:
    """``text`` as the record takes it, whatever an attacker sent: no control character, no half
    of a surrogate pair; cut, so that nobody stores essays there."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in clean)[:most]


def _is_unseen(character: str) -> bool:
    if character in "\n\t ":
        return False
    category = unicodedata.category(character)
    # Zs beyond the plain space: no-break, ideographic and other spaces that pad unseen.
    return category in _UNSEEN or category == "Zs" or ord(character) in _BLANK
