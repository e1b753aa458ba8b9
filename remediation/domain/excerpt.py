"""Show a cited value in its context: the lines of the object or list around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from audit.tlog.canonical import Json
from remediation.domain.citations import resolve

# The nearest lines are enough context; the whole artefact is one click away.
CONTEXT_LINES = 8


@dataclass(frozen=True)
class Excerpt:
    """A whole value and lines around it; `cut_before` and `cut_after` count the omitted lines."""

    around: str
    before: str
    value: str
    after: str
    cut_before: int
    cut_after: int


def excerpt(document: Json, pointer: str) -> Excerpt | None:
    """Return the value at the pointer (RFC 6901) with its neighbours; None for the whole document.

    Raises LookupError when the pointer leads to nothing.
    """
    if not pointer:
        return None
    parent, _, token = pointer.rpartition("/")
    found = resolve(document, parent)
    resolve(document, pointer)
    key = token.replace("~1", "/").replace("~0", "~")
    before, value, after = _split(list(_members(found)), key)
    return Excerpt(
        around=parent or "/",
        before="\n".join(before[-CONTEXT_LINES:]),
        value="\n".join(value),
        after="\n".join(after[:CONTEXT_LINES]),
        cut_before=max(0, len(before) - CONTEXT_LINES),
        cut_after=max(0, len(after) - CONTEXT_LINES),
    )


def _members(value: Json) -> Iterator[tuple[str, list[str]]]:
    """Yield each member of an object or list with its lines."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key, _lines(f"{json.dumps(key, ensure_ascii=False)}: ", inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield str(index), _lines("", inner)


def _lines(label: str, value: Json) -> list[str]:
    # Split at "\n" alone: JSON escapes it inside texts, but does not escape all other line ends.
    return (label + json.dumps(value, ensure_ascii=False, indent=2)).split("\n")


def _split(
    members: list[tuple[str, list[str]]], key: str
) -> tuple[list[str], list[str], list[str]]:
    at = next(number for number, (name, _) in enumerate(members) if name == key)
    return (
        [line for _, lines in members[:at] for line in lines],
        members[at][1],
        [line for _, lines in members[at + 1 :] for line in lines],
    )
