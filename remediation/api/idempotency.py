"""Read the Idempotency-Key header (draft-ietf-httpapi-idempotency-key-header-07)."""

from __future__ import annotations

import re
from hashlib import sha256

from django.http import HttpRequest

from remediation.domain.errors import IdempotencyKeyMissing

# RFC 8941, section 3.3.3: a quoted string of printable ASCII.
_STRING = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
MAX_KEY = 255


def key(request: HttpRequest) -> str:
    """Return the key without its quotes. Raises IdempotencyKeyMissing if absent or invalid."""
    header = request.META.get("HTTP_IDEMPOTENCY_KEY")
    if header is None:
        raise IdempotencyKeyMissing('send a quoted string, such as Idempotency-Key: "8e03978e"')
    found = _STRING.fullmatch(header.strip(" "))
    text = re.sub(r"\\(.)", r"\1", found[1]) if found else ""
    if not 1 <= len(text) <= MAX_KEY:
        raise IdempotencyKeyMissing(f"the key is a quoted string of 1 to {MAX_KEY} characters")
    return text


def fingerprint(request: HttpRequest, body: bytes) -> str:
    """Return a digest of method, path and body; equal for repeated requests."""
    head = f"{request.method} {request.path}\0".encode()
    return sha256(head + body).hexdigest()
