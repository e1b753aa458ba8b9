"""Compare two versions of a stored body: by field, by step and by claim.

Works on plain JSON values, so that old versions can be compared even if the catalogue has changed.
Nothing is shortened: both values are returned whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from audit.tlog.canonical import Json

# Comparing words takes quadratic time at worst; a longer text counts as one piece.
MAX_WORDS = 2_000
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
# Fields that identify a member of a list, in order of preference.
_KNOWN_BY = (("locator",), ("name", "via"), ("name",), ("evidence", "pointer"))


@dataclass(frozen=True)
class Difference:
    """One field: its place, and its text before and after; None where it does not exist."""

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
    """A run of text: in both versions (same), only in the old one, or only in the new one."""

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
    """Return every field in which two values differ, in the order of the new value."""
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
    """Yield the order of the members that both versions have, if it differs."""
    before, after = [n for n in old if n in new], [n for n in new if n in old]
    if before != after:
        yield Difference(f"{place} / order", ", ".join(before), ", ".join(after))


def _keyed(values: Sequence[Json]) -> dict[str, Json]:
    """Return a list's members by their identifying value; a repeated one gets a number."""
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
    """Return a value as text for people."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def words(old: str, new: str) -> tuple[Piece, ...]:
    """Merge both texts word by word, with removed and added words marked."""
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
    """Pair the steps or claims of two versions by ``key``, in order; ``text`` is shown whole.

    Items at the same position between two pairs count as changed versions of each other.
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
