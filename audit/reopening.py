"""Check the head with which a log is reopened, before it is recorded.

The entry says for ever what the log was when it got its new name. So the head must be one that the
policy trusts, of this log, and of this tree. A head of more entries than the database has is taken
only where a witness saw it and the operator declares the loss. Nothing shows that such a head
continues this tree, because the entries between are gone. So an older head that the policy trusts
must prove what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit import inclusion, tree
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Fork, Mismatch, QuorumMissing, Rollback, TlogError
from audit.tlog.merkle import tree_root
from audit.tlog.note import Note
from audit.tlog.policy import NONE, Policy
from audit.verifying import verify


class OtherLog(Mismatch):
    """The head is of another log than the database's newest head."""


class NotDeclared(Rollback):
    """The head has more entries than the database, and no loss was declared."""


class NotWitnessed(QuorumMissing):
    """The head has more entries than the database, and no witness saw it."""


class NotNewest(Rollback):
    """The database has a newer head that the policy's witnesses cosigned."""


class NothingProvesTheRest(Fork):
    """A loss was declared, and the database has no head that the policy trusts."""


@dataclass(frozen=True)
class Reopened:
    """A head that may be recorded, how many of its entries the database has lost, and the newest
    trusted note that the tree continues."""

    head: Checkpoint
    lost: int
    rest: str


def checked(
    note: str, policy: Policy, query: tree.Query, *, lost: bool, using: str = "default"
) -> Reopened:
    """Return the head of the note if the log may go on from it. ``lost`` declares a loss.

    Raises Malformed, UnknownKey, BadSignature, QuorumMissing, OtherLog, Fork (another root),
    NotDeclared, NotWitnessed, NothingProvesTheRest and NotNewest.
    """
    accepted = policy.check(note, verify)
    head = accepted.checkpoint
    _same_log(head, query)
    size = int(query("SELECT coalesce(max(idx) + 1, 0) FROM audit.leaf", ())[0][0])
    if head.size > size:
        if not accepted.witnesses:
            raise NotWitnessed(f"the head is of size {head.size}, the database has {size} entries")
        if not lost:
            raise NotDeclared(f"the database has {size} entries of {head.size}: --lost says so")
        return Reopened(head, head.size - size, _proven_rest(size, policy, query, using))
    if tree_root(tree.reader(size, query), head.size) != head.root:
        raise Fork(f"the database has another root at size {head.size}")
    _not_older(head, policy, using)
    return Reopened(head, 0, note)


def _same_log(head: Checkpoint, query: tree.Query) -> None:
    rows = query("SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1", ())
    if not rows:
        raise OtherLog("the database has no head yet: nothing can be reopened")
    origin = Checkpoint.parse(Note.parse(str(rows[0][0])).text).origin
    if head.origin != origin:
        raise OtherLog(f"the head is of {head.origin}, the database's newest is of {origin}")


def _proven_rest(size: int, policy: Policy, query: tree.Query, using: str) -> str:
    """Return the database's newest trusted head, compared with the tree.

    Entries after it stay unproven. Without this, a declared loss would let a rewritten database
    go on as an old one.
    """
    try:
        found = inclusion.newest(policy=policy, using=using)
    except inclusion.Unavailable as error:
        raise NothingProvesTheRest(
            f"no head of the database is one that the policy trusts ({error.detail}): restore an"
            " older backup, or name a head that the database has, without --lost"
        ) from error
    newest = found.checkpoint
    if newest.size > size:
        raise Fork(f"the database has a head of size {newest.size}, but only {size} entries")
    if tree_root(tree.reader(size, query), newest.size) != newest.root:
        raise Fork(f"the database has another root at size {newest.size}, which is no loss")
    return found.note


def _not_older(head: Checkpoint, policy: Policy, using: str) -> None:
    """An older head would leave more entries unproven than must be.

    Without a quorum only the log's own key speaks, which may be the stolen one.
    """
    if policy.quorum == NONE:
        return
    try:
        newest = inclusion.newest(policy=policy, using=using).checkpoint
    except TlogError:  # heads in the database that nobody believes decide nothing
        return
    if newest.size > head.size:
        raise NotNewest(f"witnesses cosigned size {newest.size}, this head is of {head.size}")
