"""Verify the whole log: rebuild everything from the entries and compare every row.

Reads in the order of the leaves, in constant memory; reports the first mismatch.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.conf import settings
from django.db import DataError, connections, transaction
from django.utils.module_loading import import_string

from audit import log, tree
from audit.tlog import cosignature
from audit.tlog.canonical import read
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import Fork, Mismatch, Missing, Rollback, UnknownKey
from audit.tlog.growth import Growth
from audit.tlog.merkle import leaf_hash, tree_root
from audit.tlog.note import Note, SignatureLine
from audit.tlog.policy import Policy
from audit.tlog.rules import default
from audit.tlog.writers import Judge
from audit.verifying import verify as check_signature

# Rows of about 300 bytes, 64 KiB at most.
PAGE = 1_000

_PAGE = """
SELECT l.idx, l.entry_id, l.hash, e.body,
       s.entry_id IS NOT NULL
         AND (s.entry_id, s.at, s.action, s.actor, s.object, s.words)
             IS NOT DISTINCT FROM (l.entry_id, d.at, d.action, d.actor, d.object, d.words),
       s.entry_id IS NOT NULL
  FROM audit.leaf l
  LEFT JOIN audit.entry e ON e.id = l.entry_id
  LEFT JOIN audit.search s ON s.idx = l.idx
  LEFT JOIN LATERAL audit.said_v1(e.body) AS d ON true
 WHERE l.idx >= %s AND l.idx < %s
 ORDER BY l.idx LIMIT %s
"""

Progress = Callable[[int, int], None]


class SignedActs(Protocol):
    """What `settings.AUDIT_SIGNED` makes: it reads all entries in order, and judges each."""

    def why_unsigned(self, raw: bytes) -> str:
        """Return why nobody signed the act of this entry; "" when all is well."""


@dataclass(frozen=True)
class Result:
    """What was verified in a log without a mismatch."""

    size: int
    root: bytes
    heads: int
    nodes: int
    # Entries without a leaf: the sequencer has not integrated them yet, or does not run.
    backlog: int
    opened: int
    erased: int
    # Leaves that their writer may not have written: the guard of entries was switched off.
    forged: tuple[int, ...] = ()
    # Leaves with an act that its person did not sign (settings.AUDIT_SIGNED): the web login's
    # password suffices to write one.
    unsigned: tuple[int, ...] = ()


def verify(
    policy: Policy,
    *,
    using: str = "default",
    seen: Checkpoint | None = None,
    progress: Progress = lambda done, total: None,
) -> Result:
    """Verify the stored log.

    ``policy`` names the keys that must have signed its heads. ``seen`` is a head known from
    elsewhere; without it a clean cut of the log's tail cannot be found.

    Raises Mismatch (with the leaf's index), Missing, Rollback, Fork, BadSignature, UnknownKey,
    Malformed for the first mismatch.
    """
    run = _Run(policy, tree.query_of(using), seen, progress)
    connection = connections[using]
    if connection.in_atomic_block:
        return run.result()
    with transaction.atomic(using=using):
        # One snapshot of the log while the sequencer continues.
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return run.result()


class _Run:
    def __init__(
        self, policy: Policy, query: tree.Query, seen: Checkpoint | None, progress: Progress
    ) -> None:
        self.policy, self.query, self.seen, self.progress = policy, query, seen, progress
        self.growth = Growth()
        self.nodes = 0
        self.listed_up_to: int | None = None
        self.committed: set[str] = set()
        self.judge = Judge(default().writers)
        self.forged: list[int] = []
        self.acts: SignedActs = import_string(settings.AUDIT_SIGNED)()
        self.unsigned: list[int] = []

    def result(self) -> Result:
        (row,) = self.query("SELECT coalesce(max(idx) + 1, 0), count(*) FROM audit.leaf", ())
        size, count = int(row[0]), int(row[1])
        heads = self._heads()
        if heads and heads[-1].size > size:
            raise Rollback(f"size {heads[-1].size} is signed, but there are {size} leaves")
        if size and (not heads or heads[-1].size != size):
            raise Missing(f"there are {size} leaves, but no head of that size")
        self._leaves(size, heads)
        if count != size:
            raise Mismatch(f"{count} leaves for {size} places")
        self._nodes_extra()
        self._list(size)
        self._seen(size)
        opened_count, erased = self._secrets()
        backlog = self.query(
            "SELECT count(*) FROM audit.entry e"
            " WHERE NOT EXISTS (SELECT 1 FROM audit.leaf l WHERE l.entry_id = e.id)", ()
        )  # fmt: skip
        return Result(
            size,
            self.growth.root(),
            len(heads),
            self.nodes,
            int(backlog[0][0]),
            opened_count,
            erased,
            tuple(self.forged),
            tuple(self.unsigned),
        )

    # ---- heads ----------------------------------------------------------------------------------

    def _heads(self) -> list[Checkpoint]:
        """Return all heads; check the signatures of known keys and known witnesses."""
        found: list[Checkpoint] = []
        known = False
        for size, note in self.query("SELECT size, note FROM audit.checkpoint ORDER BY size", ()):
            head = Checkpoint.parse(Note.parse(note).text)
            # The keys of heads under a name that the log had before it was reopened are no longer
            # trusted; only the roots of these heads are compared. After the first head with a known
            # name every head must have a known name.
            if known or any(key.name == head.origin for key in self.policy.logs):
                head, known = opened(note, self.policy.logs, check_signature), True
            if head.size != int(size) or head.extensions or Note.parse(note).dump() != note:
                raise Mismatch(f"the head stored for size {size} says something else")
            found.append(head)
        if found and not known:
            raise UnknownKey(f"no head is of a log that the policy names, but {found[-1].origin}")
        self._cosignatures({head.size: head for head in found})
        return found

    def _cosignatures(self, heads: dict[int, Checkpoint]) -> None:
        keys = {witness.name: witness.key for witness in self.policy.witnesses}
        for size, name, line in self.query(
            "SELECT size, witness, line FROM audit.cosignature ORDER BY size, witness", ()
        ):
            if int(size) not in heads:
                raise Missing(f"witness {name} cosigned size {size}, of which there is no head")
            if name in keys:
                cosignature.check(
                    heads[int(size)].text(), SignatureLine.parse(line), keys[name], check_signature
                )

    # ---- leaves and nodes -----------------------------------------------------------------------

    def _leaves(self, size: int, heads: Sequence[Checkpoint]) -> None:
        """Compute leaves from entries, and nodes and the heads' roots from leaves; compare all."""
        todo = list(reversed(heads))
        self._pass_heads(todo)
        while self.growth.size < size:
            start = self.growth.size
            try:
                rows = self.query(_PAGE, (start, start + PAGE, PAGE))
            except DataError as error:
                raise Mismatch(
                    f"an entry from leaf {start} on is no text: {error}", start
                ) from None
            if not rows:
                raise Missing(f"leaf {start} is not there")
            for row in rows:
                self._leaf(*row)
                self._pass_heads(todo)
            self.progress(self.growth.size, size)

    def _leaf(
        self, index: int, entry_id: int, stored: bytes, body: Any, same: bool, listed: bool
    ) -> None:
        at = self.growth.size
        if int(index) != at:
            raise Missing(f"leaf {at} is not there")
        if body is None:
            raise Mismatch(f"leaf {at}: entry {entry_id} is not there", at)
        raw = bytes(body)
        if leaf_hash(raw) != bytes(stored):
            raise Mismatch(f"leaf {at}: entry {entry_id} is not what it was", at)
        self._check_listed(at, entry_id, same, listed)
        for row, number, value in self.growth.extend([bytes(stored)]):
            self.nodes += 1
            found = self.query(
                "SELECT hash FROM audit.node WHERE level = %s AND idx = %s", (row, number)
            )
            if not found or bytes(found[0][0]) != value:
                raise Mismatch(f"node {number} of level {row} is not what its leaves give", at)
        if self.judge.why_forged_bytes(at, raw):
            self.forged.append(at)
        if self.acts.why_unsigned(raw):
            self.unsigned.append(at)
        if log.COMMITTED.encode() in raw:
            self.committed.update(_commitments(read(raw)))

    def _check_listed(self, at: int, entry_id: int, same: bool, listed: bool) -> None:
        """Check that the list for people is complete up to some leaf and matches the entries."""
        if listed:
            if self.listed_up_to is not None and self.listed_up_to != at:
                raise Missing(f"leaf {self.listed_up_to} is not in the list for people")
            self.listed_up_to = at + 1
            if not same:
                raise Mismatch(f"the list says something else of entry {entry_id}", at)
        elif at == 0:
            self.listed_up_to = 0

    def _pass_heads(self, todo: list[Checkpoint]) -> None:
        while todo and todo[-1].size == self.growth.size:
            head = todo.pop()
            if head.root != self.growth.root():
                raise Fork(f"the head of size {head.size} has not the root of its leaves")

    def _nodes_extra(self) -> None:
        ((count,),) = self.query("SELECT count(*) FROM audit.node", ())
        if int(count) != self.nodes:
            raise Mismatch(f"{count} nodes are stored, the leaves give {self.nodes}")
        stored = tree_root(tree.reader(self.growth.size, self.query), self.growth.size)
        if stored != self.growth.root():
            raise Mismatch("the stored nodes do not give the root of the leaves")

    def _list(self, size: int) -> None:
        ((count, most),) = self.query(
            "SELECT count(*), coalesce(max(idx) + 1, 0) FROM audit.search", ()
        )
        if int(most) > size or int(count) != (self.listed_up_to or 0):
            raise Mismatch(f"the list for people has {count} lines up to {most}")

    # ---- the head known from elsewhere, and erasable values -------------------------------------

    def _seen(self, size: int) -> None:
        if self.seen is None:
            return
        if self.seen.size > size:
            raise Rollback(f"size {self.seen.size} was seen, now there are {size} leaves")
        reader = tree.reader(size, self.query)
        if tree_root(reader, self.seen.size) != self.seen.root:
            raise Fork(f"size {self.seen.size} was seen with another root")

    def _secrets(self) -> tuple[int, int]:
        found: set[str] = set()
        for commitment, salt, value in self.query(
            "SELECT commitment, salt, value FROM audit.secret", ()
        ):
            if hmac.digest(bytes(salt), value.encode(), "sha256") != bytes(commitment):
                raise Mismatch(f"commitment {bytes(commitment).hex()[:16]} hides something else")
            found.add(bytes(commitment).hex())
        return len(found & self.committed), len(self.committed - found)


def _commitments(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.keys() == {log.COMMITTED}:
            yield str(value[log.COMMITTED])
        for inner in value.values():
            yield from _commitments(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _commitments(inner)
