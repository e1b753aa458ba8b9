"""Make untrusted text harmless, with one function per destination.

A character that is invisible, moves other characters or breaks a line is replaced by its code point
in angle brackets, ``⟨U+202E⟩``; nothing is dropped or reordered
(docs/attacks.md A01, A52, A60).

| destination | function | what it adds |
|---|---|---|
| page | `pieces` | the template filter `inert` escapes them and marks invisible characters |
| title, attribute | `line` | one line |
| name in a sentence | `quoted` | one line in quotes that the text cannot end |
| mail, chat | `message` | one line without links and mentions |
| subject of a mail | `subject` | as `message`, visibly truncated |
| log | `log_line` | ASCII, one line, also for a traceback |
| terminal | `terminal` | ASCII without control sequences |
| spreadsheet | `csv_cell` | one line, never a formula |
| audit log | `noted` | one line that the log accepts, truncated |
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Unicode general categories (UAX #44, table 12) without a visible shape of their own: control,
# format (bidi, zero-width, tags), surrogate, private use, unassigned, line and paragraph separator.
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that are invisible in spite of their category (DerivedCoreProperties.txt,
# Default_Ignorable_Code_Point), the empty braille pattern, and the object replacement character
# (found by tests/hostile, which measures each in Chromium).
_BLANK = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0xFFFC),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)
# Characters that start a formula in a spreadsheet, also in forms that it normalises.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
# In Unicode names of characters that a reader could take for the end of a quotation; two of the
# latter beside each other look like one.
_QUOTES = re.compile("QUOTATION MARK|DOUBLE PRIME|DOUBLE ACUTE|DITTO|GERSHAYIM")
_HALVES = re.compile("APOSTROPHE|PRIME|ACUTE ACCENT|GRAVE ACCENT|GERESH|TURNED COMMA")
_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), 127)}
# Text that clients of mail and chat turn into links and mentions: a scheme, "www.", chat markup.
# The decisive character is put in brackets, so that the text stays readable.
_LINKS = re.compile(r"://|\bwww\.|\bmailto:|[<>]|@(?=[\w-])", re.IGNORECASE)
# Two marks on one letter occur in real scripts (Vietnamese, Hebrew); more of them can cover lines.
_MARKS_AT_MOST = 2


@dataclass(frozen=True)
class Piece:
    """A run of plain text, or one invisible character; ``unseen`` is then its name."""

    text: str
    unseen: str = ""


def pieces(text: str, *, one_line: bool = False) -> Iterator[Piece]:
    """Split ``text`` into plain runs and invisible characters; nothing is lost.

    With ``one_line`` line feeds and tabs count as invisible: in a list they could fake other rows.
    """
    plain: list[str] = []
    marks = _MARKS_AT_MOST  # a mark without a preceding letter would be drawn on the frame
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
        yield Piece(_code(character), unicodedata.name(character, "unnamed character"))
    if plain:
        yield Piece("".join(plain))


def visible(text: str) -> str:
    """Return ``text`` with invisible characters as code points; keep line feeds and tabs."""
    return "".join(piece.text for piece in pieces(text))


def line(text: str) -> str:
    """Return ``text`` on one line: line feeds and tabs become code points, too."""
    return "".join(piece.text for piece in pieces(text, one_line=True))


def quoted(text: str) -> str:
    """Return ``text`` whole, on one line and in quotes that it cannot end.

    All that resembles a quotation mark, spaces at an end or beside another one, and the brackets
    of code points stand as code points, too: so different texts always read differently.
    """
    shown, before = [], " "
    for character in text:
        shown.append(_code(character) if _misleads(character, before) else character)
        before = character
    if before == " " and text:
        shown[-1] = _code(" ")
    return f"“{line(''.join(shown))}”"


def message(text: str) -> str:
    """Return ``text`` for a mail or a chat: one line without links and mentions."""
    return _LINKS.sub(lambda match: f"[{match[0]}]", line(text))


def subject(text: str, most: int = 80) -> str:
    """Return ``text`` for the subject of a mail, visibly truncated."""
    shown = message(text)
    return shown if len(shown) <= most else shown[: most - 2] + " …"


def log_line(text: str) -> str:
    """Return ``text`` as one ASCII line; doubled backslashes prevent forged escapes."""
    return text.encode("unicode_escape").decode("ascii")


def terminal(text: str) -> str:
    """Return ``text`` as one ASCII line without terminal control sequences."""
    return text.encode("ascii", errors="backslashreplace").decode().translate(_CONTROLS)


def csv_cell(text: str) -> str:
    """Return ``text`` as a spreadsheet cell on one line that is never a formula."""
    shown = "".join(
        f"\\u{ord(one):04x}" if _is_unseen(one) or one in "\n\t" else one for one in text
    )
    plain = unicodedata.normalize("NFKC", shown).lstrip(" '\"")
    return f"'{shown}" if plain.startswith(_FORMULA) else shown


def alike(name: str) -> str:
    """Return a normal form in which look-alike names are equal (case, spaces, letter forms)."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def noted(text: str, most: int) -> str:
    """Return ``text`` in a form that the audit log accepts: truncated, without control characters
    and lone surrogates."""
    clean = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in clean)[:most]


def _code(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _misleads(character: str, before: str) -> bool:
    """Return whether a character could end a quotation, or be overlooked in it."""
    if character == " ":
        return before == " "
    name = unicodedata.name(character, "")
    if character in "⟨⟩" or _QUOTES.search(name):
        return True
    return bool(_HALVES.search(name) and _HALVES.search(unicodedata.name(before, "")))


def _is_unseen(character: str) -> bool:
    if character in "\n\t ":
        return False
    category = unicodedata.category(character)
    # Zs except the plain space: no-break, ideographic and other spaces are invisible padding.
    return category in _UNSEEN or category == "Zs" or ord(character) in _BLANK
