"""SASLprep (RFC 4013, RFC 7677) as PostgreSQL does it before it derives keys from a password.

PostgreSQL (src/common/saslprep.c) takes ASCII as it is, and takes a password that SASLprep
refuses as it is, too.
"""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
    stringprep.in_table_a1,
)


def saslprep(password: str) -> bytes:
    """Return the bytes from which the keys are derived."""
    if password.isascii():
        return password.encode()
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char
        for char in password
        if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.normalize("NFKC", mapped)
    if not prepared or _is_refused(prepared):
        return password.encode()
    return prepared.encode()


def _is_refused(text: str) -> bool:
    if any(table(char) for char in text for table in _PROHIBITED):
        return True
    right = [stringprep.in_table_d1(char) for char in text]
    if not any(right):
        return False
    left = any(stringprep.in_table_d2(char) for char in text)
    return left or not (right[0] and right[-1])
