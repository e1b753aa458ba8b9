"""Canonical JSON: one byte string per value, in a subset of RFC 8785.

The subset excludes values that parsers treat differently: floats, integers beyond a double's exact
range, keys that sort differently in UTF-16 and in code points, NUL, lone surrogates.
"""

from __future__ import annotations

import json
from typing import Any, TypeAlias

from audit.tlog.errors import NotCanonical

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"

# RFC 8785 section 3.2.2.3 writes numbers as IEEE 754 doubles: exact up to 2^53 - 1 (RFC 7493, 2.2).
MAX_INTEGER = 2**53 - 1

# Deeper than any of our documents, far below the interpreter's recursion limit.
MAX_DEPTH = 64


def encode(value: object) -> bytes:
    """Return the canonical bytes of a JSON value.

    Takes None, bool, int, str, list and dict of these. Keys are sorted (they are ASCII, so the
    UTF-16 order of RFC 8785 section 3.2.3 is the code point order), there is no white space, and
    text is UTF-8 with only the escapes of RFC 8785 section 3.2.2.2.
    Raises NotCanonical with a JSON pointer for anything else.
    """
    _check(value, "", 0)
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    ).encode()


def read(body: bytes) -> dict[str, Any] | None:
    """Parse an entry's bytes; return None if they cannot be parsed safely.

    A login that may append could write any JSON, such as very deep objects or very long numbers
    that make readers fail. Bytes from `encode` are always parsed.
    """
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    # `encode` allows an empty innermost object. The depth is at most the number of brackets, so
    # the slow walk is rarely needed.
    most = MAX_DEPTH + 1
    deep = body.count(b"{") + body.count(b"[") > most and _depth(said) > most
    return None if deep else said


def _depth(value: object) -> int:
    depth, row = 0, [value]
    while row := [one for one in row if isinstance(one, dict | list)]:
        depth += 1
        row = [inner for one in row for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _check(value: object, at: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise NotCanonical("nested too deeply", at)
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _check_text(value, at)
    elif isinstance(value, int):
        if abs(value) > MAX_INTEGER:
            raise NotCanonical("integer beyond 2^53-1", at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check(item, f"{at}/{index}", depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_key(key, at)
            _check(item, f"{at}/{key}", depth + 1)
    else:
        raise NotCanonical(f"{type(value).__name__} is not allowed", at)


def _check_key(key: object, at: str) -> None:
    if not isinstance(key, str):
        raise NotCanonical("key is not text", at)
    if not key.isascii():
        raise NotCanonical("key is not ASCII", at)
    _check_text(key, at)


def _check_text(text: str, at: str) -> None:
    if "\0" in text:
        raise NotCanonical("NUL character", at)
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotCanonical("lone surrogate", at) from None
