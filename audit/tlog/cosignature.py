"""Cosignatures (C2SP tlog-cosignature, cosignature/v1): when a witness saw a head."""

from __future__ import annotations

from audit.tlog.errors import BadSignature, Malformed
from audit.tlog.note import COSIGNATURE, SIGNATURE_SIZE, SignatureLine, VerifierKey, Verify

# The signature is preceded by uint64 POSIX seconds.
TIME_SIZE = 8
# The largest POSIX time that is accepted (year 292 billion).
MAX_TIME = 2**63 - 1


def message(checkpoint_text: str, time: int) -> bytes:
    """Return what a witness signs: ``cosignature/v1``, ``time <seconds>``, the note's text."""
    return f"cosignature/v1\ntime {time}\n{checkpoint_text}".encode()


def line(key: VerifierKey, time: int, signature: bytes) -> SignatureLine:
    """Return the witness's line under the note."""
    if not 0 <= time <= MAX_TIME or len(signature) != SIGNATURE_SIZE:
        raise Malformed("a cosignature has a time and 64 bytes")
    return SignatureLine(key.name, key.key_id, time.to_bytes(TIME_SIZE, "big") + signature)


def time_of(signed: SignatureLine) -> int:
    """Return the time in a witness's line, in POSIX seconds. Raises Malformed."""
    if len(signed.signature) != TIME_SIZE + SIGNATURE_SIZE:
        raise Malformed("a cosignature has a time and 64 bytes")
    time = int.from_bytes(signed.signature[:TIME_SIZE], "big")
    if time > MAX_TIME:
        raise Malformed("the time of a cosignature is too large")
    return time


def check(checkpoint_text: str, signed: SignatureLine, key: VerifierKey, verify: Verify) -> int:
    """Verify a witness's line and return its time. Raises BadSignature or Malformed."""
    time = time_of(signed)
    if (
        key.algorithm != COSIGNATURE
        or (signed.name, signed.key_id) != (key.name, key.key_id)
        or not verify(key.public, message(checkpoint_text, time), signed.signature[TIME_SIZE:])
    ):
        raise BadSignature(f"the line of {signed.name} is not the cosignature of {key.name}")
    return time
