"""What the log proves about an approval, and whom the gate trusts about the log."""

from __future__ import annotations

from dataclasses import dataclass, field

from audit.tlog import b64, ed25519
from audit.tlog.canonical import Json
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Malformed
from audit.tlog.merkle import HASH_SIZE
from audit.tlog.note import MAX_NOTE, Verify
from audit.tlog.policy import Policy
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields

# A path has one hash per bit of a size.
_MAX_HASHES = 63
# An entry has at most 65,535 bytes.
_MAX_BODY = 65_535


@dataclass(frozen=True)
class RecordedEntry:
    """An entry's exact bytes as text, its leaf index, and its path to the root."""

    index: int
    body: str
    proof: tuple[bytes, ...]

    def to_json(self) -> dict[str, Json]:
        return {
            "index": self.index,
            "body": self.body,
            "proof": [b64.encode(one) for one in self.proof],
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> RecordedEntry:
        source = Fields(value, at, required=("index", "body", "proof"))
        return cls(
            index=source.integer("index", 0, 2**53 - 1),
            body=source.text("body", _MAX_BODY),
            proof=source.array("proof", _hash, most=_MAX_HASHES),
        )


@dataclass(frozen=True)
class LogEvidence:
    """Entries under one signed head, and the consistency proof from the worker's last head."""

    checkpoint: str
    entries: tuple[RecordedEntry, ...]
    consistency: tuple[bytes, ...] = ()

    def to_json(self) -> dict[str, Json]:
        return {
            "checkpoint": self.checkpoint,
            "entries": [entry.to_json() for entry in self.entries],
            "consistency": [b64.encode(one) for one in self.consistency],
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> LogEvidence:
        source = Fields(value, at, required=("checkpoint", "entries", "consistency"))
        return cls(
            checkpoint=source.text("checkpoint", MAX_NOTE),
            entries=source.array("entries", RecordedEntry.from_json, most=200),
            consistency=source.array("consistency", _hash, most=_MAX_HASHES),
        )


@dataclass(frozen=True)
class LogTrust:
    """Whom the caller trusts: keys, witnesses, and its last head (None on first use).

    Never taken from evidence.
    """

    policy: Policy
    seen: Checkpoint | None = None
    # The worker uses `cryptography`; an offline verifier uses the standard library.
    verify: Verify = field(default=ed25519.verify, repr=False)


def _hash(value: Json, at: str) -> bytes:
    try:
        found = b64.decode(value) if isinstance(value, str) else b""
    except Malformed as error:
        raise BadValue(error.detail, pointer=at) from None
    if len(found) != HASH_SIZE:
        raise BadValue("not a hash of 32 bytes", pointer=at)
    return found
