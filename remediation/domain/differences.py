"""What differs between two versions of a stored body: by field, step by step, claim by claim.

Works on plain JSON values, so that old versions can be compared whatever today's catalogue knows.
Nothing is shortened and nothing is judged: both values stand whole beside each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from audit.tlog.canonical import Json

# Comparing words takes quadratic time at worst; beyond this a text is one piece.
MAX_WORDS = 2_000
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
# By which fields the members of a list are known again, in the order in which they are asked.
_KNOWN_BY = (("locator",), ("name", "via"), ("name",), ("evidence", "pointer"))


@dataclass(frozen=True)
class Difference:
    """One field: where it stands, and its text before and after; None where it is not there."""

    place: str
    old: str | None
    new: str | None

    @property
    def word(self) -> str:
        if self.old is None:
            return "added"
        return "removed" if self.new is None else "changed"


@dataclass(frozen=True)
class Piece:
    """A run of text that is in both versions (same), only in the old or only in the new one."""

    word: str
    text: str


@dataclass(frozen=True)
class Item:
    """One step or claim of either version; ``old`` and ``new`` are its numbers, from 1."""

    word: str  # same, changed, added, removed
    old: int | None
    new: int | None
    text: tuple[Piece, ...]
    rows: tuple[Difference, ...]


def differences(old: Json, new: Json, place: str = "") -> tuple[Difference, ...]:
    """Every field in which two values differ, in the order of the new one."""
    return tuple(_differences(old, new, place))


def _differences(old: Json, new: Json, place: str) -> Iterator[Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _members(old, new, place)
    elif isinstance(old, list) and isinstance(new, list):
        before, after = _keyed(old), _keyed(new)
        yield from _members(before, after, place)
        yield from _order(before, after, place)
    elif old != new or type(old) is not type(new):
        yield Difference(place, said(old), said(new))


def _members(old: Mapping[str, Json], new: Mapping[str, Json], place: str) -> Iterator[Difference]:
    for name in [*new, *(name for name in old if name not in new)]:
        where = f"{place} / {name}" if place else name
        if name not in old:
            yield Difference(where, None, said(new[name]))
        elif name not in new:
            yield Difference(where, said(old[name]), None)
        else:
            yield from _differences(old[name], new[name], where)


def _order(old: Mapping[str, Json], new: Mapping[str, Json], place: str) -> Iterator[Difference]:
    """The order of those that are in both, if it is another one."""
    before, after = [n for n in old if n in new], [n for n in new if n in old]
    if before != after:
        yield Difference(f"{place} / order", ", ".join(before), ", ".join(after))


def _keyed(values: Sequence[Json]) -> dict[str, Json]:
    """A list's members by what they are known by; one that comes twice is counted."""
    found: dict[str, Json] = {}
    for value in values:
        key = name = _name(value)
        count = 1
        while key in found:
            count += 1
            key = f"{name} ({count})"
        found[key] = value
    return found


def _name(value: Json) -> str:
    if isinstance(value, Mapping):
        for names in _KNOWN_BY:
            if all(name in value for name in names):
                return " via ".join(said(value[name]) for name in names)
    return said(value)


def said(value: Json) -> str:
    """A value as people read it."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def words(old: str, new: str) -> tuple[Piece, ...]:
    """Both texts as one, word by word, with what was taken out and put in marked."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    if old == new:
        return (Piece("same", new),) if new else ()
    if max(len(before), len(after)) > MAX_WORDS:
        return tuple(Piece(w, t) for w, t in (("removed", old), ("added", new)) if t)
    found: list[Piece] = []
    for tag, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            found.append(Piece("same", "".join(after[k:m])))
            continue
        found += [Piece("removed", "".join(before[i:j]))] if j > i else []
        found += [Piece("added", "".join(after[k:m]))] if m > k else []
    return tuple(found)


def items(
    old: Sequence[Json],
    new: Sequence[Json],
    *,
    key: Callable[[Json], str],
    text: Callable[[Json], str],
) -> tuple[Item, ...]:
    """Steps or claims of two versions, paired by ``key`` and in order; ``text`` is shown whole.

    What stands at the same place between two pairs is taken for a changed version of itself.
    """
    return tuple(
        _item(
            old[i] if i is not None else None,
            new[k] if k is not None else None,
            i if i is None else i + 1,
            k if k is None else k + 1,
            text,
        )
        for i, k in _pairs([key(value) for value in old], [key(value) for value in new])
    )


def _item(
    old: Json, new: Json, before: int | None, after: int | None, text: Callable[[Json], str]
) -> Item:
    pieces = words(text(old) if before is not None else "", text(new) if after is not None else "")
    if before is None or after is None:
        return Item("added" if before is None else "removed", before, after, pieces, ())
    rows = differences(old, new)
    return Item("changed" if rows else "same", before, after, pieces, rows)


def _pairs(old: list[str], new: list[str]) -> Iterator[tuple[int | None, int | None]]:
    for _, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        both = min(j - i, m - k)
        yield from ((i + n, k + n) for n in range(both))
        yield from ((n, None) for n in range(i + both, j))
        yield from ((None, n) for n in range(k + both, m))
