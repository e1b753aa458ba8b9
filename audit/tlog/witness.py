"""Check that a new head extends the remembered one (C2SP tlog-witness, add-checkpoint).

Used by the sequencer (against a database that lost or rewrote its past), by the worker before it
executes, and by witnesses on other machines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from audit.tlog import b64, ed25519
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import BadProof, Fork, Malformed, Rollback, Stale, UnknownKey
from audit.tlog.merkle import EMPTY_ROOT, HASH_SIZE, verify_consistency
from audit.tlog.note import MAX_NOTE, Note, SignatureLine, VerifierKey, Verify

# C2SP tlog-witness: at most 63 lines of proof, one for each bit of a size.
MAX_PROOF = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})")


class UnknownOrigin(UnknownKey):
    """The witness does not know this log."""


class Conflict(Fork):
    """A witness is asked for the size that it holds with another root: the log has forked."""


def advance(held: Checkpoint | None, new: Checkpoint, proof: Sequence[bytes]) -> None:
    """Check that `new` extends the remembered head.

    Raises Rollback when it is smaller, Fork when its past differs, Malformed for another log.
    Without a remembered head any head is accepted (trust on first use), with an empty proof.
    """
    if new.size == 0 and new.root != EMPTY_ROOT:
        raise Fork("an empty tree has one root only")
    if held is None:
        return
    if held.origin != new.origin:
        raise Malformed(f"the head is of {new.origin}, what is remembered of {held.origin}")
    if new.size < held.size:
        raise Rollback(f"size {held.size} was signed before, now it is {new.size}")
    if new.size == held.size and new.root != held.root:
        raise Fork(f"size {held.size} was signed with another root")
    try:
        verify_consistency(
            old_size=held.size,
            old_root=held.root,
            new_size=new.size,
            new_root=new.root,
            proof=proof,
        )
    except BadProof as error:
        raise Fork(f"size {new.size} does not go on from size {held.size}: {error}") from None


@dataclass(frozen=True)
class Request:
    """The body of add-checkpoint: the old size, the proof, the new head."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    @classmethod
    def parse(cls, body: bytes) -> Request:
        """Parse ``old <size>``, base64 lines, an empty line and the note. Raises Malformed."""
        if len(body) > MAX_NOTE:
            raise Malformed("the request is too long")
        try:
            text = body.decode()
        except UnicodeDecodeError:
            raise Malformed("the request is UTF-8") from None
        head, separator, note = text.partition("\n\n")
        first, *lines = head.split("\n")
        match = _OLD.fullmatch(first)
        if not separator or match is None:
            raise Malformed("a request reads `old <size>`, a proof, an empty line and a note")
        if len(lines) > MAX_PROOF:
            raise Malformed(f"a proof has at most {MAX_PROOF} lines")
        proof = tuple(b64.decode(line, "a line of the proof") for line in lines)
        if any(len(one) != HASH_SIZE for one in proof):
            raise Malformed("a line of the proof has 32 bytes")
        return cls(int(match[1]), proof, note)

    def dump(self) -> bytes:
        lines = (f"old {self.old_size}", *(b64.encode(one) for one in self.proof))
        return ("".join(f"{line}\n" for line in lines) + "\n" + self.note).encode()


class Memory(Protocol):
    """Storage for the head of one log, such as `tlog.head.HeadFile`."""

    def read(self) -> str | None: ...

    def write(self, note: str) -> None: ...


def add_checkpoint(
    request: Request,
    *,
    logs: Iterable[VerifierKey],
    memory: Callable[[str], Memory],
    cosign: Callable[[str], Sequence[SignatureLine]],
    verify: Verify = ed25519.verify,
) -> tuple[SignatureLine, ...]:
    """Remember the head and return the cosignature lines (C2SP tlog-witness, add-checkpoint).

    In: the known logs, the memory of an origin, a function that cosigns a checkpoint's text. The
    caller holds a lock on the origin's memory. The head is stored before it is cosigned: a crash
    in between loses only the answer, and the log asks again.

    Raises UnknownOrigin (404), UnknownKey and BadSignature (403), Malformed (400), Stale (409,
    with the size held), Conflict (409), Rollback (400), Fork and BadProof (422).
    """
    keys = tuple(logs)
    new = _new(request, keys, verify)
    kept = memory(new.origin)
    note = kept.read()
    held = opened(note, keys, verify) if note is not None else None
    size = held.size if held else 0
    if request.old_size > new.size:
        raise Malformed("the old size is beyond the new one")
    if request.old_size != size:
        raise Stale(size)
    if held is None and request.proof:
        raise Fork("from size 0 the proof is empty")
    if held is not None and new.size == held.size and new.root != held.root:
        raise Conflict(f"size {held.size} was signed with another root")
    advance(held, new, request.proof)
    kept.write(request.note)
    return tuple(cosign(new.text()))


def _new(request: Request, keys: tuple[VerifierKey, ...], verify: Verify) -> Checkpoint:
    stated = Checkpoint.parse(Note.parse(request.note).text)
    if not any(key.name == stated.origin for key in keys):
        raise UnknownOrigin(f"the witness does not know {stated.origin}")
    new = opened(request.note, keys, verify)
    if new.extensions:
        raise Malformed("a checkpoint of ours has no extension lines")
    return new
