"""A log in memory with a fixed key: the entries of a story, their proofs, and the trusted keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from audit import signing
from audit.signing import NoteSigner
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.merkle import consistency_proof, inclusion_proof, leaf_hash, root_of
from audit.tlog.note import COSIGNATURE, ED25519, Note
from audit.tlog.policy import Policy, Witness
from audit.tlog.tiles import TileReader
from audit.verifying import verify
from remediation.domain import b64url
from remediation.domain.gate.evidence import Evidence
from remediation.domain.gate.inclusion import LogEvidence, LogTrust, RecordedEntry
from tests.passkey import SoftPasskey

ORIGIN = "portal.example/audit"
AT = "2026-11-22T10:06:00.000000+00:00"


# The COSE key of each credential that a story signed with.
_keys: dict[bytes, bytes] = {}


def signed_by(passkey: SoftPasskey) -> None:
    """Make the story's log name this key for its credential."""
    _keys[passkey.credential_id] = passkey.cose_key


def signer(name: str = ORIGIN, seed: str = "log", algorithm: int = ED25519) -> NoteSigner:
    return signing.of_seed(name, algorithm, sha256(seed.encode()).digest())


SIGNER = signer()
WITNESS = signer("witness.example/w", "witness", COSIGNATURE)
POLICY = Policy.single(SIGNER.vkey)
WITNESSED = Policy((SIGNER.vkey,), (Witness("w", WITNESS.vkey),), (), "w")


def trust(seen: Checkpoint | None = None, policy: Policy = POLICY) -> LogTrust:
    return LogTrust(policy, seen, verify)


@dataclass
class Book:
    """Ordered entries, with heads of any size and proofs under them."""

    bodies: list[bytes] = field(default_factory=list)

    def add(
        self, action: str, actor: str, object: str, data: dict[str, Any], writer: str = ""
    ) -> int:
        entry = {
            "v": 1, "at": AT, "action": action, "actor": actor, "object": object, "data": data,
        }  # fmt: skip
        if writer:
            entry["writer"] = writer
        self.bodies.append(encode(entry))
        return len(self.bodies) - 1

    def filler(self, count: int) -> None:
        for number in range(count):
            self.add("system:refusals:counted", "system:portal", f"door:{number}", {})

    def reader(self, size: int) -> TileReader:
        hashes = [leaf_hash(body) for body in self.bodies]

        def fetch(row: int, number: int, width: int) -> list[bytes]:
            span = 256**row
            first = number * 256
            return [
                root_of(hashes[(first + at) * span : (first + at + 1) * span])
                for at in range(width)
            ]

        return TileReader(fetch, size)

    def head(self, size: int | None = None) -> Checkpoint:
        size = len(self.bodies) if size is None else size
        return Checkpoint(ORIGIN, size, root_of([leaf_hash(b) for b in self.bodies[:size]]))

    def note(
        self,
        size: int | None = None,
        by: Sequence[NoteSigner] = (SIGNER,),
        witnessed_at: int | None = None,
    ) -> str:
        text = self.head(size).text()
        lines = [one.line(text) for one in by]
        if witnessed_at is not None:
            lines.append(WITNESS.cosign(text, witnessed_at))
        return Note(text, tuple(lines)).dump()

    def prove(
        self, indices: Sequence[int], *, seen: int = 0, note: str = "", size: int | None = None
    ) -> LogEvidence:
        """Return evidence about these entries under the head of `size`, going on from `seen`."""
        size = len(self.bodies) if size is None else size
        read = self.reader(size)
        return LogEvidence(
            checkpoint=note or self.note(size),
            entries=tuple(
                RecordedEntry(
                    index, self.bodies[index].decode(), tuple(inclusion_proof(read, index, size))
                )
                for index in indices
            ),
            consistency=tuple(consistency_proof(read, seen, size)) if seen else (),
        )


def told(evidence: Evidence, **approval: Any) -> tuple[Book, list[int]]:
    """Make the log of a story: other entries, one for each review, the approval, other entries."""
    book = Book()
    book.filler(3)
    about = f"proposal:{evidence.proposal_id}"
    needed = []
    for review in evidence.reviews:
        try:
            statement = json.loads(review.statement)
        except ValueError:
            statement = {"unreadable": True}
        data = {
            "statement": statement,
            "assertion": review.assertion.to_json(),
            "cose_key": b64url.encode(_keys.get(review.assertion.credential_id, b"unknown")),
        }
        needed.append(book.add("person:review:signed", f"person:{review.person}", about, data))
    for narrowing in evidence.narrowings:
        if narrowing.proposal == evidence.proposal_id:
            credential = narrowing.assertion.credential_id
            signed = {
                "statement": json.loads(narrowing.statement),
                "assertion": narrowing.assertion.to_json(),
                "cose_key": b64url.encode(_keys.get(credential, b"unknown")),
            }
            actor = f"person:{narrowing.person}"
            needed.append(book.add("person:plan:narrowed", actor, about, signed))
    last = evidence.reviews[-1].person if evidence.reviews else "nobody"
    moved = {
        "from": "in_review", "to": "approved", "reason": "", "round": evidence.round, "reviews": 2,
    }  # fmt: skip
    said = {
        "action": "person:proposal:approved", "actor": f"person:{last}", "object": about,
        "data": moved, **approval,
    }  # fmt: skip
    needed.append(book.add(said["action"], said["actor"], said["object"], said["data"]))
    book.filler(2)
    return book, needed


def proven(evidence: Evidence) -> LogEvidence:
    book, needed = told(evidence)
    return book.prove(needed)
