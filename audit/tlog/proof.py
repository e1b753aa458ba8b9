"""Portable proofs (C2SP tlog-proof) that an entry is in the log that signed a head.

Lines: ``c2sp.org/tlog-proof@v1``, optionally ``extra <base64>``, ``index <n>``, one hash a line, an
empty line, the checkpoint.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from audit.tlog import b64, ed25519
from audit.tlog.errors import Malformed
from audit.tlog.merkle import HASH_SIZE, leaf_hash, verify_inclusion
from audit.tlog.note import MAX_NOTE, Verify, check_text
from audit.tlog.policy import Checked, Policy

HEADER = "c2sp.org/tlog-proof@v1"
# One hash per bit of a size.
MAX_HASHES = 63
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True)
class Proof:
    """The path of leaf `index` to the root in the checkpoint (a signed note)."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def dump(self) -> str:
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {b64.encode(self.extra)}")
        lines.append(f"index {self.index}")
        lines += [b64.encode(one) for one in self.hashes]
        return "".join(f"{line}\n" for line in lines) + "\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Parse a proof in exactly the form that `dump` writes. Raises Malformed."""
        if len(text) > MAX_NOTE:
            raise Malformed("the proof is too long")
        check_text(text)
        head, separator, checkpoint = text.partition("\n\n")
        header, *lines = head.split("\n")
        if header != HEADER or not separator:
            raise Malformed(f"a proof begins with {HEADER}")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = b64.decode(lines.pop(0).removeprefix("extra "), "extra")
        match = _INDEX.fullmatch(lines.pop(0)) if lines else None
        if match is None:
            raise Malformed("a proof names the index of its entry")
        if len(lines) > MAX_HASHES:
            raise Malformed("the proof has too many hashes")
        hashes = tuple(b64.decode(line, "a hash") for line in lines)
        if any(len(one) != HASH_SIZE for one in hashes):
            raise Malformed("a hash has 32 bytes")
        return cls(int(match[1]), hashes, checkpoint, extra)


def verify(proof: Proof, body: bytes, policy: Policy, verify: Verify = ed25519.verify) -> Checked:
    """Verify a proof and return its checkpoint; `body` is the entry's exact bytes.

    Raises BadProof and the errors of `Policy.check`.
    """
    checked = policy.check(proof.checkpoint, verify)
    verify_inclusion(
        leaf=leaf_hash(body),
        index=proof.index,
        size=checked.checkpoint.size,
        proof=proof.hashes,
        root=checked.checkpoint.root,
    )
    return checked
