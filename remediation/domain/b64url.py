"""base64url without padding, the form WebAuthn uses (RFC 4648 section 5, RFC 7515 appendix C)."""

from __future__ import annotations

import base64
import binascii
import re

from remediation.domain.errors import BadValue

_FORM = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


def encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str, at: str = "") -> bytes:
    """Decode base64url. Raises BadValue for any form other than the one that `encode` writes."""
    try:
        if not _FORM.fullmatch(text):
            raise BadValue("not base64url without padding", pointer=at)
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error:
        raise BadValue("not base64url without padding", pointer=at) from None
    if encode(raw) != text:
        raise BadValue("not the one base64url form of these bytes", pointer=at)
    return raw
