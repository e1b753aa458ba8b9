"""Bound what a JSON file costs before it is parsed: how many values it has, and how deep they lie.

A parser makes an object of each value: 256 MiB of ``[],`` become gigabytes. One pass over the bytes
counts first, in C and in a few copies of the file. Whether it is JSON at all, the parser says.
"""

from __future__ import annotations

from audit.tlog.errors import Malformed

# An incident has some thousand entries, each with a proof of about twenty hashes.
MAX_VALUES = 500_000
MAX_DEPTH = 64
_OPEN, _CLOSE = b"[{", b"]}"
_NO_BRACKETS = bytes(set(range(256)) - set(_OPEN + _CLOSE))
# Of one number, `false`, or the signs between two texts.
_SIGNS_EACH = 24


def check(raw: bytes, *, values: int = MAX_VALUES, depth: int = MAX_DEPTH) -> None:
    """Raise Malformed if the file has more values, or lies deeper, than this."""
    # Pairs first, so that what is left before a quote is its own backslash.
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw
    # A key and its value, of two quotes each.
    if plain.count(b'"') > 4 * values:
        raise Malformed("the file has too many texts")
    outside = b"".join(plain.split(b'"')[::2])
    separators = sum(outside.count(sign) for sign in (b",", b"[", b"{"))
    if separators > values or len(outside) > _SIGNS_EACH * values:
        raise Malformed("the file has too many values")
    deep = 0
    for bracket in outside.translate(None, _NO_BRACKETS):
        deep += 1 if bracket in _OPEN else -1
        if deep > depth:
            raise Malformed("the file is nested too deeply")
