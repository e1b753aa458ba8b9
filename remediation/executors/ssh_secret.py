"""Tell from a leaked private key, in the worker alone, whether it is the one of a fingerprint."""

from __future__ import annotations

import base64
import hashlib
import re

# What may be a private key in a form that is not read here, or a part of one.
_LIKE_A_KEY = re.compile(r"PRIVATE KEY|PuTTY-User-Key-File")


def has_fingerprint(values: tuple[str, ...], fingerprint: str) -> bool | None:
    """Return whether one of a candidate's forms is the private key of this fingerprint.

    None if that is not known: a form looks like a key and cannot be read without its passphrase, or
    at all. Nothing is sent anywhere.
    """
    found = [fingerprint_of(value) for value in values]
    if fingerprint in found:
        return True
    unread = any(
        not one and _LIKE_A_KEY.search(value) for one, value in zip(found, values, strict=True)
    )
    # One form that was read is the key; the other forms are the same bytes, read otherwise.
    return None if not values or (unread and not any(found)) else False


def fingerprint_of(text: str) -> str:
    """Return the fingerprint of a private key's public key; "" if the text cannot be read."""
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_ssh_private_key,
    )

    raw = text.strip().encode("utf-8", "replace") + b"\n"
    load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in raw else load_pem_private_key
    if not _LIKE_A_KEY.search(text):
        return ""
    try:
        public = load(raw, password=None).public_key()
        line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    except Exception:  # of many classes; their words may quote the key
        return ""
    blob = base64.b64decode(line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
