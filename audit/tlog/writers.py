"""Judge whether an entry was written by a login that may write for its actor.

The database stamps each entry with the login that wrote it, as the member `writer`, and refuses
what this login may not write (`audit/sql/writer.sql`). A reader does not have to believe that the
database's guard was never switched off: it judges each entry again, with the same table.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from audit.tlog.canonical import read

# By login, what it may write: an action, or `kind:*` for every action of a kind.
Writers: TypeAlias = Mapping[str, Sequence[str]]

MEMBER = "writer"


def recorded(said: Mapping[str, Any]) -> bool:
    """Return whether the entry names its writer; older ones do not."""
    return MEMBER in said


def why_forged(said: Mapping[str, Any], writers: Writers) -> str:
    """Return why the entry's writer may not have written it; "" if it may.

    An entry without a writer is from before writers were recorded and gives "".
    """
    if not recorded(said):
        return ""
    actor, action, writer = said.get("actor"), said.get("action"), said.get(MEMBER)
    if not (isinstance(actor, str) and isinstance(action, str) and isinstance(writer, str)):
        return "its actor, action or writer is no text"
    kind, colon, _ = actor.partition(":")
    if not colon or kind != action.partition(":")[0]:
        return f"says {action} for {actor}, written by {writer}"
    if not {action, f"{kind}:*"} & set(writers.get(writer, ())):
        return f"says {actor}, written by {writer}, which may not write {action}"
    return ""


@dataclass
class Judge:
    """Judges entries in the order of the log."""

    writers: Writers
    # The first leaf that names its writer.
    since: int | None = None
    # By the beginning and end that entries share: whether they were found to be true.
    _true: set[tuple[str, str, str]] = field(default_factory=set)

    def why_forged(self, index: int, said: Mapping[str, Any]) -> str:
        """Return why the entry is forged; "" if it is not.

        Upgrading stops everything that writes, so an entry without a writer after one with it was
        written while the guard was switched off.
        """
        if recorded(said):
            self.since = index if self.since is None else self.since
        elif self.since is not None:
            return f"names no writer, and entry {self.since} before it does"
        return why_forged(said, self.writers)

    def why_forged_bytes(self, index: int, body: bytes) -> str:
        """Do the same for the bytes of an entry; what cannot be read gives "".

        A member that stands twice is forged, too: two readers could read it in two ways.

        Canonical entries begin with action and actor and end with the writer, so most of a long log
        is judged without parsing it: those whose bytes have no escape, and each of these names
        once. No other member can then be read as one of them.
        """
        shape = _SHAPE.match(body.decode(errors="replace")) if _is_plain(body) else None
        if shape is not None and self.since is not None and shape.groups() in self._true:
            return ""
        said = read(body)
        if said is None:
            return ""
        why = self.why_forged(index, said) or _why_ambiguous(body)
        if shape is not None and not why:
            self._true.add((shape[1], shape[2], shape[3]))
        return why


def _is_plain(body: bytes) -> bool:
    return b"\\" not in body and all(body.count(name) == 1 for name in _NAMES)


def _why_ambiguous(body: bytes) -> str:
    twice: list[str] = []

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            twice.extend(name for name in found if [n for n, _ in pairs].count(name) > 1)
        return found

    json.loads(body, object_pairs_hook=members)
    return f"has the member {twice[0][:40]!r} twice" if twice else ""


_NAMES = (b'"action"', b'"actor"', b'"writer"')
# Action, kind of the actor, writer.
_SHAPE = re.compile(
    r'\{"action":"([a-z_:]+)","actor":"([a-z]+):[^"\\]*","at":.*,"v":1,"writer":"([a-z_]+)"\}\Z'
)
