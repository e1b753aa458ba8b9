"""Compare a secret with values of userPassword, in this process.

Known: values in clear, {SHA…}, {SSHA…}, {MD5}, {SMD5} (RFC 2307 and slapd's pw-sha2) and
{PBKDF2…} (pw-pbkdf2). Of any other form, {CRYPT}, {ARGON2} and {SASL} among them, the answer is
"not known". A bind would tell, too, and is never made: slapd writes the time of a bind that fails
into the entry, and enough of them lock the account.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_FORM = re.compile(rb"\{([A-Za-z0-9./-]{1,32})\}(.*)", re.S)
_DIGESTS = {
    "SHA": "sha1", "SSHA": "sha1", "MD5": "md5", "SMD5": "md5",
    "SHA256": "sha256", "SSHA256": "sha256", "SHA384": "sha384", "SSHA384": "sha384",
    "SHA512": "sha512", "SSHA512": "sha512",
}  # fmt: skip
_PBKDF2 = {
    "PBKDF2": "sha1", "PBKDF2-SHA1": "sha1", "PBKDF2-SHA256": "sha256", "PBKDF2-SHA512": "sha512",
}  # fmt: skip
# The directory says how often; a comparison must end (about 0.3 s each).
_MOST_ROUNDS = 500_000
_MOST_VALUES = 8


@dataclass
class Budget:
    """The rounds that are left for all comparisons of one question together."""

    rounds: int = 5_000_000  # about 3 s; who may write the entry says how many one takes


def compare(values: Iterable[str], held: Sequence[bytes], budget: Budget) -> bool | None:
    """Return whether one of these forms of a secret is one of the held values; None: not known."""
    known = [
        _matches(value.encode(), one, budget) for value in values for one in held[:_MOST_VALUES]
    ]
    if True in known:
        return True
    told = known and None not in known and len(held) <= _MOST_VALUES
    return False if told else None


def _matches(secret: bytes, held: bytes, budget: Budget) -> bool | None:
    form = _FORM.fullmatch(held)
    if form is None:
        return hmac.compare_digest(secret, held)
    scheme, rest = form[1].decode().upper(), form[2]
    try:
        if scheme in _DIGESTS:
            return _of_digest(secret, _DIGESTS[scheme], base64.b64decode(rest, validate=True))
        if scheme in _PBKDF2:
            return _of_pbkdf2(secret, _PBKDF2[scheme], rest, budget)
    except (ValueError, binascii.Error):
        return None
    return None


def _of_digest(secret: bytes, name: str, held: bytes) -> bool | None:
    """`held` is the digest, then the salt, which may be empty."""
    size = hashlib.new(name, usedforsecurity=False).digest_size
    if len(held) < size:
        return None
    made = hashlib.new(name, secret + held[size:], usedforsecurity=False).digest()
    return hmac.compare_digest(made, held[:size])


def _of_pbkdf2(secret: bytes, name: str, rest: bytes, budget: Budget) -> bool | None:
    """`rest` is ROUNDS$SALT$DIGEST, in a base64 with "." for "+" and without padding."""
    rounds, salt, digest = rest.split(b"$")
    if not rounds.isdigit() or not 0 < int(rounds) <= min(_MOST_ROUNDS, budget.rounds):
        return None
    budget.rounds -= int(rounds)
    held = _adapted(digest)
    made = hashlib.pbkdf2_hmac(name, secret, _adapted(salt), int(rounds), len(held))
    return hmac.compare_digest(made, held)


def _adapted(text: bytes) -> bytes:
    return base64.b64decode(text.replace(b".", b"+") + b"=" * (-len(text) % 4), validate=True)
