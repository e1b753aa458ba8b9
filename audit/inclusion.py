"""Get proofs that entries are in the log: ask the sequencer, wait, read."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from django.db import Error as DatabaseError
from django.db import connections

from audit import tree
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import QuorumMissing, Rollback, TlogError, UnknownKey
from audit.tlog.merkle import NodeReader, consistency_proof, inclusion_proof
from audit.tlog.note import Note
from audit.tlog.policy import Checked, Policy
from audit.verifying import verify

logger = logging.getLogger(__name__)

# Intervals between queries while waiting, in milliseconds; the sequencer needs two or three.
_PAUSES_MS = (1, 1, 2, 4, 8, 16)
# How many newest heads are searched for one with enough witnesses, and how many heads per witness:
# a slow witness may be any number of heads behind.
_LOOK_BACK = 8

# Entries in the requested order, then the newest heads with their cosignatures. One statement, so
# that no head is older than the entries it should cover.
_LOOK = """
SELECT 0 AS part, w.place, l.idx, e.body, NULL AS note
  FROM unnest(%s::bigint[]) WITH ORDINALITY AS w (id, place)
  LEFT JOIN audit.leaf l ON l.entry_id = w.id
  LEFT JOIN audit.entry e ON e.id = w.id
 UNION ALL
SELECT 1, -c.size, NULL, NULL,
       c.note || coalesce((SELECT string_agg(s.line || E'\\n', '' ORDER BY s.witness)
                             FROM audit.cosignature s WHERE s.size = c.size), '')
  FROM audit.checkpoint c
 WHERE c.size IN (
       (SELECT size FROM audit.checkpoint ORDER BY size DESC LIMIT %s)
       UNION ALL
       SELECT s.size FROM unnest(%s::text[]) AS w (name) CROSS JOIN LATERAL
              (SELECT size FROM audit.cosignature WHERE witness = w.name
                ORDER BY size DESC LIMIT %s) AS s)
 ORDER BY part, place
"""


class Unavailable(TlogError):
    """No head that the policy accepts covers the entries yet."""


@dataclass(frozen=True)
class Proven:
    """An entry with its leaf index and its path to the root."""

    index: int
    body: bytes
    hashes: tuple[bytes, ...]


@dataclass(frozen=True)
class Included:
    """Entries under one head (a note with its cosignatures), with the consistency proof from the
    head seen before."""

    note: str
    entries: tuple[Proven, ...]
    consistency: tuple[bytes, ...]


def ask(using: str = "default") -> None:
    """Ask the sequencer to integrate now. Raises nothing: it also looks by itself every 250 ms.

    Never call this inside a business transaction: NOTIFY would serialise all commits of the cluster
    (0.42 of the speed at 16 clients).
    """
    connection = connections[using]
    try:
        with connection.cursor() as cursor:
            cursor.execute("NOTIFY audit_want")
    except DatabaseError as error:
        logger.warning("the sequencer was not asked: %s", error)


def prove(
    entry_ids: Sequence[int],
    *,
    policy: Policy,
    seen: Checkpoint | None,
    using: str = "default",
) -> Included:
    """Prove entries under the newest head that the policy accepts; ``seen`` is the caller's last
    head.

    The result is not verified here; callers use `Policy.check`, `merkle.verify_inclusion` and
    `witness.advance`. Raises Unavailable when an entry has no leaf under such a head (yet),
    Rollback when the log ends before ``seen``; an altered log gives BadSignature, Missing or
    Malformed. Runs two statements.
    """
    query = tree.query_of(using)
    rows, notes = _look(query, entry_ids, policy)
    checked = _newest(notes, policy, seen)
    size = checked.checkpoint.size
    if not rows:
        raise Unavailable("the sequencer has not integrated the entries")
    if max(index for index, _ in rows) >= size:
        raise Unavailable(f"the newest accepted head, {size}, does not cover the entries yet")
    old = seen.size if seen is not None else 0

    def paths(read: NodeReader) -> tuple[list[list[bytes]], list[bytes]]:
        return (
            [inclusion_proof(read, index, size) for index, _ in rows],
            consistency_proof(read, old, size),
        )

    # Entries of one approval are neighbours, so their paths share most hashes.
    hashes, way = paths(cache(tree.reader_for(size, query, paths)))
    return Included(
        note=checked.note,
        entries=tuple(
            Proven(index, bytes(body), tuple(path))
            for (index, body), path in zip(rows, hashes, strict=True)
        ),
        consistency=tuple(way),
    )


def wait(
    entry_ids: Sequence[int], *, policy: Policy, wait_s: float, using: str = "default"
) -> None:
    """Wait until the entries are under a head that the policy accepts; ask the sequencer for it.

    Holds no transaction while waiting. Raises Unavailable after ``wait_s`` seconds.
    """
    query, give_up, asked = tree.query_of(using), time.monotonic() + wait_s, False
    for pause in _pauses():
        why = _lacking(query, entry_ids, policy)
        if why is None:
            return
        if not asked:
            ask(using)
            asked = True
        if time.monotonic() + pause > give_up:
            raise Unavailable(why)
        time.sleep(pause)


def way(old: int, new: int, using: str = "default") -> tuple[bytes, ...]:
    """Return the consistency proof between two sizes of the stored tree."""
    return tuple(consistency_proof(tree.reader(new, tree.query_of(using)), old, new))


def stored(size: int, using: str = "default") -> str | None:
    """Return the head that was signed for exactly this size."""
    rows = tree.query_of(using)("SELECT note FROM audit.checkpoint WHERE size = %s", (size,))
    return str(rows[0][0]) if rows else None


def newest(*, policy: Policy, using: str = "default") -> Checked:
    """Return the newest head that the policy accepts. Raises Unavailable."""
    _, notes = _look(tree.query_of(using), (), policy)
    return _newest(notes, policy)


def _lacking(query: tree.Query, entry_ids: Sequence[int], policy: Policy) -> str | None:
    rows, notes = _look(query, entry_ids, policy)
    if not rows:
        return "the sequencer has not integrated the entries"
    try:
        size = _newest(notes, policy).checkpoint.size
    except Unavailable as error:
        return error.detail
    covered = max(index for index, _ in rows) < size
    return None if covered else f"the newest accepted head is of {size}"


def _look(
    query: tree.Query, entry_ids: Sequence[int], policy: Policy
) -> tuple[list[tuple[int, bytes]], list[str]]:
    """Return index and bytes of each entry (none if one has no leaf yet), and the newest heads."""
    names = [witness.name for witness in policy.witnesses]
    found = query(_LOOK, (list(entry_ids), _LOOK_BACK, names, _LOOK_BACK))
    rows = [(index, body) for part, _, index, body, _ in found if part == 0]
    notes = [note for part, *_, note in found if part == 1]
    return ([] if any(None in row for row in rows) else rows), notes


def _newest(notes: Iterable[str], policy: Policy, seen: Checkpoint | None = None) -> Checked:
    """Return the newest head that the policy accepts and that is not older than ``seen``.

    Heads by unknown keys and heads without enough witnesses are skipped. A wrong signature of a
    known key is an error, and so is a log whose newest head by its own key is older than ``seen``.
    """
    least = seen.size if seen is not None else 0
    why, longest = "the log has no head yet", None
    for note in notes:
        try:
            found = policy.check(note, verify)
        except UnknownKey as error:
            why = error.detail
            continue
        except QuorumMissing as error:
            why = error.detail
            # The log's own signature was checked before.
            longest = longest or Checkpoint.parse(Note.parse(note).text)
            continue
        longest = longest or found.checkpoint
        if found.checkpoint.size >= least:
            return found
        break
    if longest is not None and longest.size < least:
        raise Rollback(f"size {least} was seen before, the log ends at {longest.size}")
    raise Unavailable(why)


def _pauses() -> Iterator[float]:
    for pause in _PAUSES_MS:
        yield pause / 1000
    while True:
        yield _PAUSES_MS[-1] / 1000
