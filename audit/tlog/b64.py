"""Standard base64 that is one string for one value.

The last character of a base64 text has bits that decoders ignore: 2 of 2,430 one-bit changes of a
proof were accepted until the text was encoded again and compared.
"""

from __future__ import annotations

import base64
import binascii

from audit.tlog.errors import Malformed


def encode(value: bytes) -> str:
    """RFC 4648 section 4, with padding, on one line."""
    return base64.b64encode(value).decode("ascii")


def decode(text: str, what: str = "base64") -> bytes:
    """The bytes of a text that `encode` would give. Raises Malformed for any other."""
    try:
        value = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(f"{what} is not base64") from None
    if encode(value) != text:
        raise Malformed(f"{what} is not canonical base64")
    return value
