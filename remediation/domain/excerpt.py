"""Show a cited value in its context: the members of the object or list around it.

An agent chooses the artefact and what it cites, thousands of times (A83). So a member is written
once for all citations, only as far as it is shown, and all excerpts of a page have one limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.tlog.canonical import Json
from remediation.domain.citations import resolve

# The nearest lines are enough context; the whole artefact is one click away.
CONTEXT_LINES = 8
# A neighbour is context: a longer one is only named. A value is what the claim rests on.
NEIGHBOUR_CHARS = 400
VALUE_CHARS = 16_384
# A name or a text that begins a line which is not shown whole.
SHORT_CHARS = 160
# Deeper than any record that people read; a stack ends at about a thousand.
DEEPEST = 40
# All excerpts of one page: as much as a person could read in a day.
PAGE_CHARS = 512 * 1024
MORE = "…"


@dataclass(frozen=True)
class Excerpt:
    """A value and the members around it, as JSON; "…" outside quotes stands for what is not shown.

    `cut_before` and `cut_after` count the members that are not shown; `cut`: the value goes on.
    """

    around: str
    before: str
    value: str
    after: str
    cut_before: int
    cut_after: int
    cut: bool = False

    @property
    def size(self) -> int:
        """Return how many characters it shows."""
        return len(self.before) + len(self.value) + len(self.after)


class NoRoom(Exception):
    """The excerpts of this page are as long as they may be."""


class Excerpts:
    """Excerpts for one page; documents by the digests of their artefacts."""

    def __init__(self, documents: Mapping[str, Json], most: int = PAGE_CHARS) -> None:
        self._documents, self._left = documents, most
        self._made: dict[tuple[str, str], Excerpt] = {}
        self._members: dict[tuple[str, str], _Members] = {}

    def at(self, artefact: str, pointer: str) -> Excerpt | None:
        """Return the value at the pointer (RFC 6901) and its neighbours; None for a whole document.

        Raises LookupError when the pointer leads to nothing, NoRoom when the page is full.
        """
        if not pointer:
            return None
        if self._left <= 0:
            raise NoRoom
        found = self._made.get((artefact, pointer)) or self._make(artefact, pointer)
        self._made[artefact, pointer] = found
        self._left -= found.size
        return found

    def _make(self, artefact: str, pointer: str) -> Excerpt:
        parent, _, token = pointer.rpartition("/")
        document = self._documents[artefact]
        if (artefact, parent) not in self._members:
            self._members[artefact, parent] = _Members(resolve(document, parent))
        members = self._members[artefact, parent]
        value = resolve(document, pointer)
        at = members.place(token.replace("~1", "/").replace("~0", "~"))
        text, whole = _written(members.label(at), value, VALUE_CHARS)
        before = _near(members, range(at - 1, -1, -1))
        after = _near(members, range(at + 1, len(members)))
        return Excerpt(
            around=parent or "/",
            before="\n".join(reversed(before)),
            value=text if whole else text + MORE,
            after="\n".join(after),
            cut_before=at - len(before),
            cut_after=len(members) - at - 1 - len(after),
            cut=not whole,
        )


class _Members:
    """The members of an object or list; each is written at most once."""

    def __init__(self, value: Json) -> None:
        if not isinstance(value, dict | list):
            raise LookupError("it has no members")
        self._value = value
        self._names = list(value) if isinstance(value, dict) else []
        self._places = {name: number for number, name in enumerate(self._names)}
        self._texts: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self._value)

    def place(self, key: str) -> int:
        return self._places[key] if isinstance(self._value, dict) else int(key)

    def label(self, at: int) -> str:
        return f"{_text(self._names[at])}: " if self._names else ""

    def text(self, at: int) -> str:
        """Return a neighbour: whole if it is short, otherwise how it begins."""
        if at not in self._texts:
            held = self._value
            value = held[self._names[at]] if isinstance(held, dict) else held[at]
            text, whole = _written(self.label(at), value, NEIGHBOUR_CHARS)
            if not whole or text.count("\n") >= CONTEXT_LINES:
                text = self.label(at) + _elided(value)
            self._texts[at] = text
        return self._texts[at]


def _near(members: _Members, places: range) -> list[str]:
    """Return the texts of the nearest members that fit into the lines of the context."""
    texts: list[str] = []
    lines = CONTEXT_LINES
    for place in places:
        text = members.text(place) if lines else ""
        lines -= text.count("\n") + 1
        if lines < 0:
            break
        texts.append(text)
    return texts


def _text(value: str, most: int = SHORT_CHARS) -> str:
    quoted = json.dumps(value[:most], ensure_ascii=False)
    return quoted if len(value) <= most else quoted + MORE


def _elided(value: Json) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict | list):
        return f"{{{MORE}}}" if isinstance(value, dict) else f"[{MORE}]"
    return json.dumps(value)[:SHORT_CHARS] + MORE


def _written(label: str, value: Json, most: int) -> tuple[str, bool]:
    """Return the value as indented JSON after its label, and whether all of it is there."""
    paper = _Paper(most)
    try:
        paper.put(label)
        _write(paper, value, 0)
    except _Full:
        return "".join(paper.pieces), False
    return "".join(paper.pieces), True


class _Full(Exception):
    """No more is written."""


@dataclass
class _Paper:
    """What was written, and how much more may be."""

    left: int
    pieces: list[str] = field(default_factory=list)

    def put(self, piece: str) -> None:
        self.pieces.append(piece[: self.left])
        self.left -= len(piece)
        if self.left < 0:
            raise _Full


def _write(paper: _Paper, value: Json, depth: int) -> None:
    """Write as `json.dumps(value, ensure_ascii=False, indent=2)` would."""
    if isinstance(value, dict | list) and value:
        _write_members(paper, value, depth + 1)
    elif isinstance(value, str):
        # Quoting makes a text no shorter.
        paper.put(json.dumps(value[: paper.left + 1], ensure_ascii=False))
    else:
        paper.put(json.dumps(value))


def _write_members(paper: _Paper, value: dict[str, Json] | list[Json], depth: int) -> None:
    if depth > DEEPEST:
        raise _Full
    named = isinstance(value, dict)
    paper.put("{" if named else "[")
    for number, member in enumerate(value):
        paper.put(f"{',' if number else ''}\n{'  ' * depth}")
        if isinstance(value, dict):
            _write(paper, member, depth)
            paper.put(": ")
            member = value[str(member)]
        _write(paper, member, depth)
    paper.put(f"\n{'  ' * (depth - 1)}{'}' if named else ']'}")
