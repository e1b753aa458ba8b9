"""Signed notes (C2SP signed-note): a text, an empty line, and signature lines.

Verification takes a function, so that the same code uses `cryptography` in the worker and only the
standard library on an auditor's machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from audit.tlog import b64, ed25519
from audit.tlog.errors import BadSignature, Malformed

# (public key, message, signature) -> whether the signature is valid.
Verify: TypeAlias = Callable[[bytes, bytes, bytes], bool]

# C2SP signed-note, Signature types.
ED25519 = 0x01
COSIGNATURE = 0x04
_KNOWN = (ED25519, COSIGNATURE)
PUBLIC_SIZE = 32
SIGNATURE_SIZE = 64
# More than a checkpoint with a hundred witnesses; a longer note is an attack on the reader.
MAX_NOTE = 1024 * 1024
# C2SP signed-note: a verifier accepts at least 16 signatures.
MAX_SIGNATURES = 1024
_MARK = "— "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")  # but not newline


@dataclass(frozen=True)
class VerifierKey:
    """A public key with its name: ``name+keyid+base64(algorithm || key)``."""

    name: str
    key_id: bytes
    algorithm: int
    public: bytes

    @classmethod
    def make(cls, name: str, public: bytes, algorithm: int = ED25519) -> VerifierKey:
        """Make a key with this name. Raises Malformed for an invalid name or key."""
        check_name(name)
        if algorithm not in _KNOWN or len(public) != PUBLIC_SIZE:
            raise Malformed("the key is of a kind that is not known here")
        return cls(name, key_id(name, algorithm, public), algorithm, public)

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """Read a vkey (C2SP signed-note, Verifier keys). Raises Malformed."""
        parts = text.split("+", 2)
        if len(parts) != 3:
            raise Malformed("a verifier key reads name+id+base64")
        name, stated, encoded = parts
        data = b64.decode(encoded, "the key")
        if len(data) != 1 + PUBLIC_SIZE:
            raise Malformed("the key is of a kind that is not known here")
        key = cls.make(name, data[1:], data[0])
        if stated != key.key_id.hex():
            raise Malformed("the id of the key is not that of its name and bytes")
        return key

    def __str__(self) -> str:
        encoded = b64.encode(bytes([self.algorithm]) + self.public)
        return f"{self.name}+{self.key_id.hex()}+{encoded}"


@dataclass(frozen=True)
class SignatureLine:
    """One signature of a note; the key's type determines the meaning of the bytes."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        return f"{_MARK}{self.name} {b64.encode(self.key_id + self.signature)}"

    @classmethod
    def parse(cls, line: str) -> SignatureLine:
        """Parse a signature line. Raises Malformed."""
        parts = line.removeprefix(_MARK).split(" ")
        if not line.startswith(_MARK) or len(parts) != 2:
            raise Malformed("a signature line reads “— name base64”")
        check_name(parts[0])
        data = b64.decode(parts[1], "a signature")
        if len(data) < 5:
            raise Malformed("a signature is too short")
        return cls(parts[0], data[:4], data[4:])


@dataclass(frozen=True)
class Note:
    """A text that ends with a newline, and its signatures."""

    text: str
    signatures: tuple[SignatureLine, ...]

    @classmethod
    def parse(cls, source: str) -> Note:
        """Parse a note (C2SP signed-note, Format). Raises Malformed."""
        if len(source.encode(errors="surrogatepass")) > MAX_NOTE:
            raise Malformed("the note is too long")
        check_text(source)
        text, separator, lines = source.rpartition("\n\n")
        if not separator or not lines.endswith("\n"):
            raise Malformed("a note is a text, an empty line and signatures")
        found = lines[:-1].split("\n")
        if len(found) > MAX_SIGNATURES:
            raise Malformed("the note has too many signatures")
        return cls(text + "\n", tuple(SignatureLine.parse(line) for line in found))

    def dump(self) -> str:
        return self.text + "\n" + "".join(f"{line}\n" for line in self.signatures)


def key_id(name: str, algorithm: int, public: bytes) -> bytes:
    """C2SP signed-note: SHA-256(name || 0x0A || algorithm || key)[:4]."""
    return sha256(name.encode() + b"\n" + bytes([algorithm]) + public).digest()[:4]


def signed_by(
    note: Note, keys: Iterable[VerifierKey], verify: Verify = ed25519.verify
) -> tuple[VerifierKey, ...]:
    """Return those of these Ed25519 keys that signed the note; ignore lines of unknown keys.

    Raises BadSignature when a line names one of the keys but its signature is wrong.
    """
    known = {(key.name, key.key_id): key for key in keys if key.algorithm == ED25519}
    found: list[VerifierKey] = []
    for line in note.signatures:
        key = known.get((line.name, line.key_id))
        if key is None or key in found:
            continue
        message = note.text.encode()
        if len(line.signature) != SIGNATURE_SIZE or not verify(key.public, message, line.signature):
            raise BadSignature(f"the line of {key.name} is not its signature")
        found.append(key)
    return tuple(found)


def check_name(name: str) -> None:
    """Check a key's name (C2SP signed-note): not empty, no plus, no space. Raises Malformed."""
    if not name or "+" in name or any(one.isspace() for one in name):
        raise Malformed("the name of a key is empty, or holds a plus or a space")
    check_text(name)


def check_text(text: str) -> None:
    """Check a text (C2SP signed-note): UTF-8, no controls but newline. Raises Malformed."""
    if _CONTROL.search(text):
        raise Malformed("a note holds no control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Malformed("a note is UTF-8") from None


def from_bytes(source: bytes) -> str:
    """Decode the bytes of a note's file. Raises Malformed when they are not UTF-8."""
    try:
        return source.decode()
    except UnicodeDecodeError:
        raise Malformed("a note is UTF-8") from None
