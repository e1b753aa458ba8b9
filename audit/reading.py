"""Read the log for people, by key through the list that the sequencer keeps.

The cost of a query does not grow with the log: it reads one page by key, or the database's time
limit ends it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connections, transaction

from audit import tree
from audit.tlog.canonical import read
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.note import Note
from audit.tlog.rules import default
from audit.tlog.writers import MEMBER, why_forged

PAGE = 50
# An incident has a few dozen entries; more than this is an attempt to hide some of them.
TIMELINE = 1_000
# Words in millions of entries can make a query slow; the page then says so.
TIMEOUT_MS = 5_000


@dataclass(frozen=True)
class Asked:
    """A filter; empty means any. `before` and `after` are leaf indices."""

    words: str = ""
    action: str = ""
    actor: str = ""
    object: str = ""
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True)
class Row:
    """One entry in a list."""

    id: int
    index: int | None
    body: bytes

    @property
    def said(self) -> dict[str, Any]:
        """The parsed entry; empty if it cannot be parsed."""
        return read(self.body) or {}

    @property
    def at(self) -> datetime | None:
        """The time in UTC; None for a time without zone or out of range."""
        try:
            said = datetime.fromisoformat(str(self.said.get("at")))
            return said.astimezone(UTC) if said.tzinfo else None
        except (ValueError, OverflowError):
            return None

    @property
    def action(self) -> str:
        return str(self.said.get("action", ""))

    @property
    def actor(self) -> str:
        return str(self.said.get("actor", ""))

    @property
    def object(self) -> str:
        return str(self.said.get("object", ""))

    @property
    def writer(self) -> str:
        """The login that wrote it; "" in entries from before writers were recorded."""
        return str(self.said.get(MEMBER, ""))

    @property
    def forged(self) -> str:
        """Why its writer may not have written it; "" if it may."""
        return why_forged(self.said, default().writers)


@dataclass(frozen=True)
class Found:
    """A page, newest first, with flags for more entries on either side."""

    rows: tuple[Row, ...]
    older: bool
    newer: bool


@dataclass(frozen=True)
class Head:
    """A stored head with its witnesses."""

    size: int
    note: str
    witnesses: tuple[str, ...]

    @property
    def root(self) -> str:
        try:
            return Checkpoint.parse(Note.parse(self.note).text).root.hex()
        except TlogError:
            return ""


@dataclass(frozen=True)
class State:
    """The state of the log."""

    size: int  # of the newest head
    head_at: datetime | None  # time of the newest entry under it
    backlog: int
    oldest_waiting: datetime | None
    checked: Row | None  # the last result of the daily verification

    @property
    def broken(self) -> bool:
        return self.checked is not None and self.checked.action == "system:log:broken"


def find(asked: Asked, using: str) -> Found:
    """Return a page of entries. Raises OperationalError when the query takes too long."""
    where, values = _where(asked)
    newer_first = asked.after is None
    if asked.before is not None:
        where.append("s.idx < %s")
        values.append(asked.before)
    elif asked.after is not None:
        where.append("s.idx > %s")
        values.append(asked.after)
    # The SQL text is constant; values are parameters.
    statement = " ".join(
        (
            "SELECT e.id, s.idx, e.body FROM audit.search s",
            "JOIN audit.entry e ON e.id = s.entry_id WHERE",
            " AND ".join(where) or "true",
            "ORDER BY s.idx DESC LIMIT %s" if newer_first else "ORDER BY s.idx LIMIT %s",
        )
    )
    with transaction.atomic(using=using), connections[using].cursor() as cursor:
        cursor.execute(f"SET LOCAL statement_timeout = {TIMEOUT_MS}")
        cursor.execute(statement, [*values, PAGE + 1])
        found = [Row(int(i), int(x), bytes(b)) for i, x, b in cursor.fetchall()]
    more = len(found) > PAGE
    page = found[:PAGE] if newer_first else found[:PAGE][::-1]
    if newer_first:
        return Found(tuple(page), more, asked.before is not None and bool(page))
    return Found(tuple(page), bool(page), more)


def _where(asked: Asked) -> tuple[list[str], list[Any]]:
    """Return conditions and parameters; exact values are truncated as in the stored list."""
    parts: list[tuple[str, Any]] = [
        ("s.action = %s", asked.action[:200]),
        ("s.actor = %s", asked.actor[:200]),
        ("s.object = %s", asked.object[:200]),
        ("s.at >= %s", asked.since),
        ("s.at < %s", asked.until),
        ("s.words @@ websearch_to_tsquery('simple', %s)", asked.words),
    ]
    given = [(text, value) for text, value in parts if value]
    return [text for text, _ in given], [value for _, value in given]


def entry(entry_id: int, using: str) -> Row | None:
    """Return one entry by its id, also if it is not listed yet."""
    rows = tree.query_of(using)(
        "SELECT e.id, l.idx, e.body FROM audit.entry e"
        " LEFT JOIN audit.leaf l ON l.entry_id = e.id WHERE e.id = %s",
        (entry_id,),
    )
    return Row(int(rows[0][0]), rows[0][1], bytes(rows[0][2])) if rows else None


def timeline(objects: Sequence[str], using: str) -> list[Row]:
    """Return the listed entries about these references, oldest first, at most TIMELINE + 1."""
    rows = tree.query_of(using)(
        "SELECT e.id, s.idx, e.body FROM audit.search s JOIN audit.entry e ON e.id = s.entry_id"
        " WHERE s.object = ANY (%s) ORDER BY s.idx LIMIT %s",
        (list(objects), TIMELINE + 1),
    )
    return [Row(int(i), int(x), bytes(b)) for i, x, b in rows]


def state(using: str) -> State:
    """Return the log's state with a few indexed queries."""
    query = tree.query_of(using)
    newest = query("SELECT size FROM audit.checkpoint ORDER BY size DESC LIMIT 1", ())
    size = int(newest[0][0]) if newest else 0
    last = query("SELECT at FROM audit.search ORDER BY idx DESC LIMIT 1", ())
    waiting = query(
        # Only the newest entries: those without a leaf are among them, unless the sequencer was
        # down for long.
        "SELECT count(*), min(audit.instant_v1(convert_from(w.body, 'UTF8')::json ->> 'at'))"
        "  FROM (SELECT e.id, e.body FROM audit.entry e ORDER BY e.id DESC LIMIT 10000) AS w"
        " WHERE NOT EXISTS (SELECT 1 FROM audit.leaf l WHERE l.entry_id = w.id)",
        (),
    )
    checked = query(
        "SELECT e.id, s.idx, e.body FROM audit.search s JOIN audit.entry e ON e.id = s.entry_id"
        " WHERE s.action IN ('system:log:verified', 'system:log:broken')"
        " ORDER BY s.idx DESC LIMIT 1",
        (),
    )
    return State(
        size=size,
        head_at=last[0][0] if last else None,
        backlog=int(waiting[0][0]),
        oldest_waiting=waiting[0][1],
        checked=Row(int(checked[0][0]), int(checked[0][1]), bytes(checked[0][2]))
        if checked
        else None,
    )


def heads(using: str, before: int | None = None) -> list[Head]:
    """Return the newest heads, or those before a size."""
    rows = tree.query_of(using)(
        "SELECT c.size, c.note, coalesce(array_agg(s.witness ORDER BY s.witness)"
        "         FILTER (WHERE s.witness IS NOT NULL), '{}')"
        "  FROM (SELECT size, note FROM audit.checkpoint WHERE size < %s"
        "         ORDER BY size DESC LIMIT 30) AS c"
        "  LEFT JOIN audit.cosignature s USING (size)"
        " GROUP BY c.size, c.note ORDER BY c.size DESC",
        (before if before is not None else 2**62,),
    )
    return [Head(int(size), str(note), tuple(names)) for size, note, names in rows]


def witnessed(using: str) -> dict[str, tuple[int, str]]:
    """Return the newest cosignature of each witness: size and line."""
    rows = tree.query_of(using)(
        "SELECT DISTINCT ON (witness) witness, size, line FROM audit.cosignature"
        " ORDER BY witness, size DESC",
        (),
    )
    return {str(name): (int(size), str(line)) for name, size, line in rows}


def about(objects: Sequence[str], using: str = "default") -> list[int]:
    """Return the ids of listed entries about any of these references, in the order of the log."""
    rows = tree.query_of(using)(
        "SELECT s.entry_id FROM audit.search s WHERE s.object = ANY (%s) ORDER BY s.idx",
        (list(objects),),
    )
    return [int(row[0]) for row in rows]


def secrets(commitments: Sequence[str], using: str = "default") -> list[tuple[str, str, str]]:
    """Return (commitment, salt, value) for these commitments (hex), without erased ones."""
    rows = tree.query_of(using)(
        "SELECT encode(commitment, 'hex'), encode(salt, 'hex'), value FROM audit.secret"
        " WHERE commitment = ANY (%s) ORDER BY 1",
        ([bytes.fromhex(one) for one in commitments],),
    )
    return [(str(a), str(b), str(c)) for a, b, c in rows]
