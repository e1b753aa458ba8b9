"""The sequencer: turn committed entries into leaves and sign the head of the tree over them.

It is the only process with the key. Appending never waits for it, and it never waits for a long
transaction: each run reads all entries that may have been committed since the last one and have no
leaf yet (watermark and anti-join). It keeps its last signed head in a file outside the database. If
the database does not extend this head, it raises an error and repairs nothing.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from audit import origin, tree
from audit.cosigning import Cosigners
from audit.flood import Flood
from audit.signing import NoteSigner
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import Mismatch, Rollback, TlogError
from audit.tlog.growth import Growth
from audit.tlog.head import HeadFile
from audit.tlog.merkle import consistency_proof, leaf_hash, tree_root
from audit.tlog.note import Note
from audit.tlog.policy import Witness
from audit.tlog.witness import advance
from audit.verifying import verify

logger = logging.getLogger(__name__)

# A batch that commits within a few hundredths of a second, and fits into memory even if all entries
# have the maximum length.
LIMIT = 1_000

_SNAPSHOT = (
    "SELECT pg_snapshot_xmin(s)::text, pg_snapshot_xmax(s)::text,"
    " pg_current_xact_id_if_assigned()::text FROM pg_current_snapshot() AS s"
)
# A row that this snapshot does not see belongs to a transaction at or above its xmin, so reading
# from xmin upwards cannot miss it. Visible rows are below xmax. Rows of a restored dump may carry
# transaction numbers of another cluster; they are read once, at the start.
_PENDING = """
SELECT e.id, e.txid::text, e.body FROM audit.entry e
 WHERE e.txid >= %s::xid8 AND (%s OR e.txid < %s::xid8)
   AND (SELECT l.idx FROM audit.leaf l WHERE l.entry_id = e.id) IS NULL
 ORDER BY e.txid, e.id LIMIT %s
"""
_NEWEST = "SELECT size, note FROM audit.checkpoint ORDER BY size DESC LIMIT 1"


class HeadMissing(TlogError):
    """The database has heads, but the file with the last signed head is missing."""


class Sequencer:
    """One log on one direct connection (no pooler between: it holds a lock and listens).

    All ``signers`` have the log's name; there are several while a key is replaced. Call `start`
    once, then `integrate` or `drain` repeatedly. After a database error the state in memory is
    unreliable: create a new object.
    """

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        signers: Sequence[NoteSigner],
        head: HeadFile,
        witnesses: Sequence[Witness] = (),
    ) -> None:
        if not signers or len({signer.vkey.name for signer in signers}) != 1:
            raise ValueError("the keys of a log all carry its name")
        self._connection = connection
        self._signers = signers
        self._head = head
        self._cosigners = Cosigners(witnesses)
        self.flood = Flood()
        self.origin = signers[0].vkey.name
        self.growth = Growth()
        self.note = ""
        self._mark, self._drained = "0", False
        self._listed = 0

    # ---- start ----------------------------------------------------------------------------------

    def start(self) -> None:
        """Load the tree's edge and check that it matches the last signed head.

        Raises Rollback, Fork, HeadMissing, OriginChanged, Mismatch (the rows do not give the signed
        root), UnknownKey, BadSignature or Malformed. Nothing is repaired.
        """
        # Before the rows: the file follows them, so what it has must be in them.
        kept = self._head.read()
        with self._one_snapshot():
            size = self._load(kept)
        logger.info("the log %s goes on from size %s", self.origin, size)

    @contextmanager
    def _one_snapshot(self) -> Iterator[None]:
        """Read rows of one moment: where its lock was taken, another sequencer may add some."""
        idle = self._connection.info.transaction_status == TransactionStatus.IDLE
        with self._connection.transaction():
            if idle:  # else inside an open transaction (tests)
                self._execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield

    def _load(self, kept: str | None) -> int:
        """Load and check the rows; return the size."""
        (row,) = self._query("SELECT coalesce(max(idx) + 1, 0), count(*) FROM audit.leaf")
        size, count = int(row[0]), int(row[1])
        newest = self._query(_NEWEST)
        signed = int(newest[0][0]) if newest else 0
        if size != count or size != signed:
            raise Mismatch(f"{count} leaves up to {size}, but the newest head is of {signed}", size)
        reader = tree.reader(size, self._query)
        self.growth = Growth.at(reader, size)
        root = self.growth.root()
        if tree_root(reader, size) != root:
            raise Mismatch("the stored nodes do not agree with the stored leaves")
        self._check_head(kept, newest[0][1] if newest else None, size, root)
        listed = self._query("SELECT coalesce(max(idx) + 1, 0) FROM audit.search")
        self._listed = int(listed[0][0])
        return size

    def _check_head(self, kept: str | None, note: str | None, size: int, root: bytes) -> None:
        keys = [signer.vkey for signer in self._signers]
        start = origin.Start.parse(kept) if kept is not None else None
        held = self._opened(kept) if kept is not None and start is None else None
        if note is None:
            if start is not None or (held is not None and held.size):
                raise Rollback("a head was signed before, the database has no head")
            return
        stated = origin.parsed(note)
        if stated.root != root or stated.size != size:
            raise Mismatch(f"the stored rows do not give the root signed for {size}")
        if stated.origin != self.origin:
            self._goes_on(start, stated)
            return
        newest = opened(note, keys, verify)
        if held is None:
            # The last process ended after its first commit and before it first wrote the file.
            last = self._before_the_first(size)
            if last is not None or start is not None:
                self._goes_on(start, last or newest)
        else:
            proof = (
                consistency_proof(tree.reader(size, self._query), held.size, size)
                if held.size <= size
                else []
            )
            advance(held, newest, proof)
        self.note = note
        if held is None or held.size < size:
            # The last process ended after its commit and before writing the file.
            self._head.write(note)

    def _opened(self, kept: str) -> Checkpoint:
        name = origin.parsed(kept).origin
        if name != self.origin:
            raise origin.OriginChanged(origin.unexplained(name, self.origin))
        return opened(kept, [signer.vkey for signer in self._signers], verify)

    def _goes_on(self, start: origin.Start | None, last: Checkpoint) -> None:
        vkeys = [str(signer.vkey) for signer in self._signers]
        origin.check(start, last, self.origin, vkeys, self._query)

    def _before_the_first(self, size: int) -> Checkpoint | None:
        """Return the head before the only one with this name; HeadMissing if there are more."""
        notes = self._query("SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 2")
        last = origin.parsed(notes[1][0]) if len(notes) > 1 else None
        if last is not None and last.origin == self.origin:
            raise HeadMissing(f"{self._head.path} is gone; the database's head is {size}")
        return last

    # ---- integrate ------------------------------------------------------------------------------

    def drain(self) -> int:
        """Integrate until nothing is pending; return how many entries became leaves."""
        total = 0
        while count := self.integrate():
            total += count
        return total

    def integrate(self, limit: int = LIMIT) -> int:
        """Turn committed entries into leaves and sign their head; return their number.

        One transaction. A crash before its commit leaves nothing. A crash after it leaves a signed
        head that is not in the file; `start` checks that it extends the file's head and updates the
        file. Signing again gives the same bytes, because a head contains no time.
        """
        growth = self.growth.copy()
        with self._connection.transaction():
            rows, mark, drained = self._pending(limit)
            if rows:
                hashes = [leaf_hash(body) for _, _, body in rows]
                self._store(growth.size, rows, hashes, growth.extend(hashes))
                note = self._sign(growth)
        caught_up, self._mark, self._drained = self._drained, mark, drained
        if not rows:
            return 0
        if caught_up:  # what waited for a start says nothing of its rate
            self.flood.count((body for _, _, body in rows), time.monotonic())
        self.growth, self.note = growth, note
        # The head is public from here on; store it before anything else is signed.
        self._head.write(note)
        self.cosign()
        return len(rows)

    def _pending(self, limit: int) -> tuple[list[tuple[int, str, bytes]], str, bool]:
        (snapshot,) = self._query(_SNAPSHOT)
        xmin, xmax, own = snapshot
        if own is not None:
            # Inside an open transaction (tests), its own rows are visible, too.
            xmax = str(max(int(xmax), int(own) + 1))
        found = self._query(_PENDING, (self._mark, not self._drained, xmax, limit))
        rows = [(int(number), txid, bytes(body)) for number, txid, body in found]
        if len(rows) < limit:
            return rows, xmin, True
        return rows, str(min(int(xmin), int(rows[-1][1]))), self._drained

    def _store(
        self,
        first: int,
        rows: list[tuple[int, str, bytes]],
        hashes: list[bytes],
        nodes: list[tuple[int, int, bytes]],
    ) -> None:
        with psycopg.Cursor(self._connection) as cursor:
            with cursor.copy("COPY audit.leaf (idx, entry_id, hash) FROM STDIN BINARY") as copy:
                copy.set_types(("int8", "int8", "bytea"))
                for at, ((number, _, _), value) in enumerate(zip(rows, hashes, strict=True)):
                    copy.write_row((first + at, number, value))
            if not nodes:
                return
            with cursor.copy("COPY audit.node (level, idx, hash) FROM STDIN BINARY") as copy:
                copy.set_types(("int2", "int8", "bytea"))
                for node in nodes:
                    copy.write_row(node)

    def _sign(self, growth: Growth) -> str:
        """Sign the root that the stored rows give, never one from memory alone.

        Logs have ended because they signed a root after a bit flip in memory or a lost row (C2SP
        issue 79).
        """
        root = growth.root()
        if tree_root(tree.reader(growth.size, self._query), growth.size) != root:
            raise Mismatch(f"the rows stored do not give the root of {growth.size}")
        text = Checkpoint(self.origin, growth.size, root).text()
        note = Note(text, tuple(signer.line(text) for signer in self._signers)).dump()
        self._execute(
            "INSERT INTO audit.checkpoint (size, note) VALUES (%s, %s)", (growth.size, note)
        )
        return note

    # ---- witnesses, list ------------------------------------------------------------------------

    def close(self) -> None:
        """End all requests to witnesses."""
        self._cosigners.close()

    def cosign(self) -> bool:
        """Ask the missing witnesses to cosign the newest head; return whether all have now.

        A crash leaves a head with fewer cosignatures; the next call asks again.
        """
        if not len(self._cosigners) or not self.note:
            return True
        size = self.growth.size
        have = {row[0] for row in self._query(_HAVE, (size,))}
        reader = tree.reader(size, self._query)
        lines = self._cosigners.collect(
            self.note, size, lambda old: consistency_proof(reader, old, size), have
        )
        for found in lines:
            # Stored at once: a late witness must not delay the others' lines.
            self._execute(
                "INSERT INTO audit.cosignature (size, witness, line) VALUES (%s, %s, %s)"
                " ON CONFLICT DO NOTHING",
                (found.size, found.name, str(found.line)),
            )
            if found.size == size:
                have.add(found.name)
        return self._cosigners.names <= have

    def index(self, limit: int = LIMIT) -> int:
        """Add new leaves to the list for people; after signing, so that no worker waits for it."""
        if self._listed >= self.growth.size:
            return 0
        with self._connection.transaction():
            ((count,),) = self._query("SELECT audit.search_v1(%s, %s)", (self._listed, limit))
        self._listed += int(count)
        return int(count)

    # ---- the connection -------------------------------------------------------------------------

    def _query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with psycopg.Cursor(self._connection) as cursor:
            return cursor.execute(statement.encode(), parameters).fetchall()

    def _execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        with psycopg.Cursor(self._connection) as cursor:
            cursor.execute(statement.encode(), parameters)


_HAVE = "SELECT witness FROM audit.cosignature WHERE size = %s"
