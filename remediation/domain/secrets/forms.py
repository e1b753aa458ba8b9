"""The texts that the bytes of a finding may stand for: escaped, percent-encoded, or base64."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import unquote

# No password is longer; PBKDF2 reads all of it.
LONGEST = 1024
MOST_FORMS = 4


def forms(raw: bytes) -> tuple[str, ...]:
    """Return the few texts that a program could have meant by these bytes, the plain one first."""
    if not raw or len(raw) > 2 * LONGEST:
        return ()
    found = dict.fromkeys(text for text in _forms(raw) if 0 < len(text.encode()) <= LONGEST)
    return tuple(found)[:MOST_FORMS]


def _forms(raw: bytes) -> Iterator[str]:
    text = _decoded(raw)
    if text is None:
        return
    yield text
    if "%" in text:
        yield from _without_surrogates(unquote(text, errors="surrogateescape"))
    if "\\" in text:
        try:
            value = json.loads(f'"{text}"', strict=False)
        except ValueError:
            value = ""
        yield from _without_surrogates(str(value))
    try:
        yield base64.b64decode(text, validate=True).decode()
    except ValueError:
        return


def _decoded(raw: bytes) -> str | None:
    encoding = "utf-16-le" if raw[1::2].count(0) > len(raw) // 4 else "utf-8"
    encoding = "utf-16-be" if raw[::2].count(0) > len(raw) // 4 else encoding
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return None


def _without_surrogates(text: str) -> Iterator[str]:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    yield text
