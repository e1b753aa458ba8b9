"""The trust of a client: a file of CA certificates in PEM, read and written as a whole.

Only blocks of certificates are touched: comments, lists and everything else in the file stay. How
it is read and replaced on disk: see regular_file.py. A file with a private key is never written: it
is no trust, and its copy would be a second place of the key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from audit.tlog.canonical import Json
from remediation.executors import regular_file
from remediation.executors.regular_file import Identity, Unusable

_BLOCK = re.compile(
    r"-----BEGIN (X509 )?CERTIFICATE-----\r?\n.*?-----END (?:X509 )?CERTIFICATE-----[ \t]*\r?\n?",
    re.DOTALL,
)


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
    """The text of a file, with its certificates by fingerprint, and which file it was read from."""

    text: str
    file: Identity

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
        return replace(self, text=self.text + between + pem([one]))

    def without(self, anchor: str) -> Bundle:
        def kept(match: re.Match[str]) -> str:
            one = x509.load_pem_x509_certificate(match[0].strip().encode())
            return "" if fingerprint(one) == anchor else match[0]

        return replace(self, text=_BLOCK.sub(kept, self.text))


def pem(certificates: Sequence[x509.Certificate]) -> str:
    return "".join(one.public_bytes(Encoding.PEM).decode() for one in certificates)


def read(path: Path) -> Bundle:
    """Read a file that may be written. Raises OSError, and ValueError for what is no trust."""
    raw, file = regular_file.content_of_own(path)
    found = Bundle(raw.decode("utf-8"), file)
    if "PRIVATE KEY" in found.text:
        raise Unusable("it has a private key")
    found.certificates  # noqa: B018  what cannot be read is refused
    return found


def anchors(path: Path) -> list[x509.Certificate]:
    """Return the certificates of a file, at least one, also by a link. Raises OSError or
    ValueError."""
    return x509.load_pem_x509_certificates(regular_file.content(path))


def holds(path: Path, bundle: Bundle) -> bool:
    try:
        return read(path) == bundle
    except (OSError, ValueError):
        return False


def write(path: Path, old: Bundle, new: Bundle) -> None:
    """Replace the file. Raises Changed unless it still is the old one; OSError or Unusable."""
    regular_file.replace(path, old.file, old.text.encode(), new.text.encode())


def words(error: Exception) -> str:
    """Return why a file cannot be used, without anything of its content."""
    return str(error) if isinstance(error, Unusable) else type(error).__name__
