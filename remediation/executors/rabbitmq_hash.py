"""Compare a password with the salted hash that RabbitMQ keeps; pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

SALT_BYTES = 4
# By the names of the server's modules. MD5 is that of users from before 3.6.
_ALGORITHMS = {
    "rabbit_password_hashing_sha256": "sha256",
    "rabbit_password_hashing_sha512": "sha512",
    "rabbit_password_hashing_md5": "md5",
}


def matches(password: str, held: str, algorithm: str) -> bool | None:
    """Return whether a hash is that of this password; None for a form that is not known.

    An empty hash is that of a user without a password: nothing matches it.
    """
    if not held:
        return False
    name = _ALGORITHMS.get(algorithm)
    try:
        raw = base64.b64decode(held, validate=True)
        given = password.encode()
    except (binascii.Error, UnicodeEncodeError):
        return None
    if name is None or len(raw) <= SALT_BYTES:
        return None
    salt, digest = raw[:SALT_BYTES], raw[SALT_BYTES:]
    made = hashlib.new(name, salt + given, usedforsecurity=False).digest()
    return hmac.compare_digest(made, digest)
