"""Decide whether a log goes on under another name: the database alone may not say so.

Under its new name the sequencer has no memory of the log, so a database that lost entries would
look whole. The owner of the tables can write any entry, also one that looks like the ceremony's.
So `audit_reopen` makes a file, which the operator gives to the sequencer in place of its last head:
the digest of the entry, and the head that the tree must continue.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from hashlib import sha256

from audit import tree
from audit.tlog.canonical import read
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Fork, Rollback, TlogError
from audit.tlog.incident import find
from audit.tlog.merkle import tree_root
from audit.tlog.note import Note
from audit.tlog.rules import default
from audit.tlog.writers import recorded, why_forged

REOPENED = "operator:log:reopened"
_START = re.compile(r"reopened ([0-9a-f]{64})\n(.+)\Z", re.DOTALL)
_ENTRY = """
SELECT body FROM audit.entry
 WHERE position(%s::bytea IN body) > 0 AND position(%s::bytea IN body) > 0 AND sha256(body) = %s
"""


class OriginChanged(TlogError):
    """The database's head is of a log with another name, and no ceremony leads to this one."""


@dataclass(frozen=True)
class Start:
    """What the sequencer's file holds after the ceremony: the entry's digest, and the head."""

    entry: bytes
    note: str

    @classmethod
    def of(cls, body: bytes, note: str) -> Start:
        return cls(sha256(body).digest(), note)

    def dump(self) -> str:
        return f"reopened {self.entry.hex()}\n{self.note}"

    @classmethod
    def parse(cls, text: str) -> Start | None:
        found = _START.match(text)
        return cls(bytes.fromhex(found[1]), found[2]) if found else None


def parsed(note: str) -> Checkpoint:
    """Return the head of a note whose signatures are checked elsewhere, or were before."""
    return Checkpoint.parse(Note.parse(note).text)


def unexplained(old: str, new: str) -> str:
    return (
        f"the newest head is of {old}, not of {new}. If audit_reopen recorded this, put the file"
        " that it made in place of HITL_AUDIT_HEAD_FILE"
    )


def check(
    kept: Start | None, last: Checkpoint, origin: str, vkeys: Collection[str], query: tree.Query
) -> None:
    """Check that the log ``last.origin`` goes on as ``origin``, signed by one of these keys.

    ``kept`` is the sequencer's file, ``last`` the newest head under the old name. Entries after the
    head in the file stay unproven until the first head under the new name.

    Raises OriginChanged, Rollback, Fork and Malformed.
    """
    if kept is None:
        raise OriginChanged(unexplained(last.origin, origin))
    head = parsed(kept.note)
    if head.origin != last.origin:
        raise OriginChanged(f"the file has a head of {head.origin}, the database of {last.origin}")
    if not _recorded(kept.entry, origin, vkeys, query):
        raise OriginChanged(
            f"the entry of audit_reopen that the file names, {last.origin} goes on as {origin} with"
            " this key, is not in the database"
        )
    if head.size > last.size:
        raise Rollback(f"size {head.size} was there when the log was reopened, now {last.size}")
    if tree_root(tree.reader(last.size, query), head.size) != head.root:
        raise Fork(f"the database has another root at size {head.size} than the head in the file")


def _recorded(digest: bytes, origin: str, vkeys: Collection[str], query: tree.Query) -> bool:
    for (body,) in query(_ENTRY, (REOPENED.encode(), origin.encode(), digest)):
        said = read(bytes(body)) or {}
        if (
            find(said, "action") == REOPENED
            and find(said, "data.origin") == origin
            and find(said, "data.vkey") in vkeys
            and recorded(said)
            and not why_forged(said, default().writers)
        ):
            return True
    return False
