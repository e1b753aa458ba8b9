"""Compute a SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5802, RFC 7677). Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

from remediation.executors.saslprep import saslprep

# PostgreSQL's default. More would not help: the passwords are random, with 238 bits.
ITERATIONS, SALT_BYTES = 4096, 16


def make_verifier(password: str, salt: bytes = b"") -> str:
    """Return the verifier of a password, with a new salt unless one is given."""
    salt = salt or secrets.token_bytes(SALT_BYTES)
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password), salt, ITERATIONS)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    first, second, third = (base64.b64encode(part).decode() for part in (salt, stored, server))
    return f"SCRAM-SHA-256${ITERATIONS}:{first}${second}:{third}"
