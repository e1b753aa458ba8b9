"""Parse JSON strictly, once; all other code uses the parsed value.

Parsers disagree about duplicate keys, floats, big integers, lone surrogates and NUL. An attacker
who makes two parsers disagree can show one plan and run another, so all of these are refused.
"""

from __future__ import annotations

import json
import re
from typing import NoReturn

from audit.tlog.canonical import MAX_INTEGER, Json
from remediation.domain.errors import (
    BadValue,
    DuplicateKey,
    FloatNotAllowed,
    IntegerTooLarge,
    LoneSurrogate,
    MalformedJson,
    TooDeep,
    TooLarge,
    TooManyKeys,
)

# A whole string (even an unterminated one, so that the scan stays linear), or a structural byte.
_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}:,]', re.DOTALL)

# Sixteen digits are enough for 2^53 - 1; int() on very long numbers is slow.
_MAX_DIGITS = len(str(MAX_INTEGER))


def parse(raw: bytes, *, max_bytes: int, max_depth: int = 32, max_keys: int = 20_000) -> Json:
    """Parse JSON strictly.

    Limits on size, depth and number of keys apply before anything is built, so memory stays
    bounded. Raises a subclass of BadInput.
    """
    if len(raw) > max_bytes:
        raise TooLarge(f"{len(raw)} bytes, {max_bytes} allowed")
    _check_shape(raw, max_depth, max_keys)
    try:
        value: Json = json.loads(
            raw.decode(),
            object_pairs_hook=_object,
            parse_float=_float,
            parse_constant=_float,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise MalformedJson(f"not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise MalformedJson(f"{error.msg} at character {error.pos}") from None
    _check_text(value, "")
    return value


def escape(key: str) -> str:
    """Return a key as a token of a JSON pointer (RFC 6901 section 3)."""
    return key.replace("~", "~0").replace("/", "~1")


def _check_shape(raw: bytes, max_depth: int, max_keys: int) -> None:
    depth = keys = items = 0
    for token in _TOKENS.finditer(raw):
        match raw[token.start()]:
            case 0x5B | 0x7B:  # [ {
                depth += 1
                if depth > max_depth:
                    raise TooDeep(f"more than {max_depth} levels")
            case 0x5D | 0x7D:  # ] }
                depth -= 1
            case 0x3A:  # :
                keys += 1
            case 0x2C:  # ,
                items += 1
        # Each key has at most one comma; the other commas separate list items, with the same limit.
        if keys > max_keys or items > 2 * max_keys:
            raise TooManyKeys(f"more than {max_keys} keys or list items")


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for key, value in pairs:
        if key in found:
            raise DuplicateKey(repr(key[:100]))
        found[key] = value
    return found


def _float(text: str) -> NoReturn:
    raise FloatNotAllowed(text[:40])


def _integer(text: str) -> int:
    if text == "-0":
        raise FloatNotAllowed("-0 is a float to other parsers")
    if len(text.lstrip("-")) > _MAX_DIGITS or abs(int(text)) > MAX_INTEGER:
        raise IntegerTooLarge(text[:40])
    return int(text)


def _check_text(value: Json, at: str) -> None:
    if isinstance(value, str):
        _check_string(value, at)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_text(item, f"{at}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_string(key, at)
            if not key.isascii():
                raise BadValue(f"key {key[:40]!r} is not ASCII", pointer=at)
            _check_text(item, f"{at}/{escape(key)}")


def _check_string(text: str, at: str) -> None:
    if "\0" in text:
        raise BadValue("NUL character", pointer=at)
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise LoneSurrogate(f"at character {error.start}", pointer=at) from None
