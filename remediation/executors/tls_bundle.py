"""The trust of a client: a file of CA certificates in PEM, read and written as a whole.

Only blocks of certificates are touched: comments, lists and everything else in the file stay. It
is replaced in one step, with its owner and its mode. A crash before leaves a file
`.<name>.<random>` beside it, which nobody reads.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.tlog.canonical import Json

MOST_BYTES = 1024 * 1024
_BLOCK = re.compile(
    r"-----BEGIN (X509 )?CERTIFICATE-----\r?\n.*?-----END (?:X509 )?CERTIFICATE-----[ \t]*\r?\n?",
    re.DOTALL,
)


class Changed(Exception):
    """Somebody else wrote the file meanwhile."""


def fingerprint(one: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, in hex."""
    return hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest()


def describe(one: x509.Certificate) -> dict[str, Json]:
    return {
        "fingerprint": fingerprint(one),
        "subject": one.subject.rfc4514_string()[:300],
        "expires": one.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


@dataclass(frozen=True)
class Bundle:
    """The text of a file, with its certificates by fingerprint."""

    text: str

    @property
    def certificates(self) -> dict[str, x509.Certificate]:
        """Raises ValueError for a block that is no certificate."""
        blocks = (match[0] for match in _BLOCK.finditer(self.text))
        found = [x509.load_pem_x509_certificate(block.strip().encode()) for block in blocks]
        return {fingerprint(one): one for one in found}

    def with_(self, one: x509.Certificate) -> Bundle:
        if fingerprint(one) in self.certificates:
            return self
        between = "" if not self.text or self.text.endswith("\n") else "\n"
        return Bundle(self.text + between + one.public_bytes(Encoding.PEM).decode())

    def without(self, anchor: str) -> Bundle:
        def kept(match: re.Match[str]) -> str:
            one = x509.load_pem_x509_certificate(match[0].strip().encode())
            return "" if fingerprint(one) == anchor else match[0]

        return Bundle(_BLOCK.sub(kept, self.text))


def pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def read(path: Path) -> Bundle:
    """Read a file. Raises OSError, and ValueError for what is no trust."""
    with path.open("rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError("not a regular file")
        raw = file.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise ValueError("too large")
    found = Bundle(raw.decode("utf-8"))
    found.certificates  # noqa: B018  what cannot be read is refused
    return found


def holds(path: Path, bundle: Bundle) -> bool:
    try:
        return read(path) == bundle
    except (OSError, ValueError):
        return False


def write(path: Path, old: Bundle, new: Bundle) -> None:
    """Replace the file. Raises Changed unless it still is the old one, and OSError."""
    place = path.resolve(strict=True)  # a link stays a link
    before = place.stat()
    draft = place.with_name(f".{place.name}.{uuid4().hex}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(new.text)
            file.flush()
            if (before.st_uid, before.st_gid) != (os.geteuid(), os.getegid()):
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(before.st_mode))
            os.fsync(file.fileno())
        if read(place) != old:
            raise Changed
        draft.replace(place)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    directory = os.open(place.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
