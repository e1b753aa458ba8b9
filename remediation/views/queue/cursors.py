"""Encrypt where a page of the queue ended, for the address of the next page.

A page may end at a row that its reader may not see, and a place contains risk and deadline. The
encryption is deterministic: the same page has the same address.
"""

from __future__ import annotations

import base64
import binascii
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from django.conf import settings


def sealed(place: str) -> str:
    """Encrypt a place for an address; an empty place stays empty."""
    if not place:
        return ""
    return base64.urlsafe_b64encode(_cipher().encrypt(place.encode(), None)).decode().rstrip("=")


def opened(text: str) -> str:
    """Decrypt a place; empty for text that `sealed` did not make."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        return _cipher().decrypt(raw, None).decode()
    except (InvalidTag, binascii.Error, ValueError):
        return ""


def _cipher() -> AESSIV:
    return AESSIV(sha256(f"hitlportal/queue-cursor/v1\0{settings.SECRET_KEY}".encode()).digest())
