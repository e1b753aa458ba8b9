"""Read and write the file of an evidence bundle; each bundle has exactly one form.

Canonical JSON (`canonical.encode`) and a newline, so that every changed byte is detected:

    {"type": "hitlportal-bundle/v1", "incident": "<uuid>",
     "checkpoint": "<signed note>",
     "entries":   [{"index": 7, "body": "<exact bytes>", "proof": ["<base64>", ...]}, ...],
     "heads":     [{"note": "<older signed note>", "consistency": ["<base64>", ...]}, ...],
     "documents": [{"domain": "hitlportal/plan/v1", "digest": "<hex>", "body": "..."|null,
                    "encoding": "utf-8"|"base64"}, ...],
     "opened":    [{"commitment": "<hex>", "salt": "<hex>", "value": "..."}, ...]}

Lists are sorted and contain nothing twice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from audit.tlog import b64, scan
from audit.tlog.canonical import encode
from audit.tlog.errors import Malformed, NotCanonical
from audit.tlog.note import MAX_NOTE

TYPE = "hitlportal-bundle/v1"
# A bundle is read into memory; the evidence of an incident has some megabytes.
MAX_BYTES = 256 * 1024 * 1024


# Object, list, object, proof.
DEPTH = 4
_BEGINNING = b'{"checkpoint":"'


def checkpoint(raw: bytes) -> str:
    """Return the note that the file begins with, unparsed before its signature is checked.

    Raises Malformed.
    """
    if len(raw) > MAX_BYTES:
        raise Malformed("the bundle is too long")
    # A note has no quotes or backslashes that are escaped, only newlines.
    end = raw.find(b'"', len(_BEGINNING), len(_BEGINNING) + 2 * MAX_NOTE)
    if not raw.startswith(_BEGINNING) or end < 0:
        raise Malformed("the bundle is not JSON of the canonical form")
    try:
        note = json.loads(raw[len(_BEGINNING) - 1 : end + 1])
    except ValueError:
        raise Malformed("the bundle is not JSON of the canonical form") from None
    return str(note)


def read_file(raw: bytes) -> dict[str, Any]:
    """Parse the file. Raises Malformed unless it is canonical and well-formed."""
    if len(raw) > MAX_BYTES:
        raise Malformed("the bundle is too long")
    scan.check(raw, depth=DEPTH)
    try:
        given = json.loads(raw)
        canonical = encode(given) + b"\n"
    except (ValueError, NotCanonical, RecursionError):
        raise Malformed("the bundle is not JSON of the canonical form") from None
    if canonical != raw:
        raise Malformed("the bundle is not in its canonical form")
    names = {"type", "incident", "checkpoint", "entries", "heads", "documents", "opened"}
    if not isinstance(given, dict) or given.keys() != names or given["type"] != TYPE:
        raise Malformed(f"not a bundle ({TYPE})")
    return given


def items(given: dict[str, Any], name: str, keys: set[str]) -> list[dict[str, Any]]:
    """Return the objects of a list; they must have exactly these keys. Raises Malformed."""
    found = given[name]
    if not isinstance(found, list) or not all(
        isinstance(item, dict) and item.keys() == keys for item in found
    ):
        raise Malformed(f"{name} are objects with {', '.join(sorted(keys))}")
    return found


def text(given: dict[str, Any], name: str) -> str:
    """Return a text. Raises Malformed."""
    value = given[name]
    if not isinstance(value, str):
        raise Malformed(f"{name} is a text")
    return value


def hashes(item: dict[str, Any], name: str) -> list[bytes]:
    """Return the hashes of a proof. Raises Malformed."""
    if not isinstance(item[name], list):
        raise Malformed(f"{name} is a list")
    return [b64.decode(one if isinstance(one, str) else "?", "a hash") for one in item[name]]


def document_body(item: dict[str, Any]) -> bytes | None:
    """Return the bytes of a document; None if they were left out. Raises Malformed."""
    if item["body"] is None and item["encoding"] == "utf-8":
        return None
    written = text(item, "body")
    body = b64.decode(written, "a document") if item["encoding"] == "base64" else written.encode()
    if as_text(body) != (written, item["encoding"]):
        raise Malformed("a document is written as text, or in base64 where it is none")
    return body


def ascending(name: str, keys: Sequence[Any]) -> None:
    """Raise Malformed unless the keys are in ascending order without repetition."""
    if any(one >= two for one, two in pairwise(keys)):
        raise Malformed(f"{name} stand in their order, each once")


def as_text(body: bytes) -> tuple[str, str]:
    """Return a document as text or, if it is not text, in base64; and the name of the encoding."""
    try:
        written = body.decode()
    except UnicodeDecodeError:
        return b64.encode(body), "base64"
    # Canonical JSON does not allow NUL.
    return (b64.encode(body), "base64") if "\0" in written else (written, "utf-8")


def pieces(
    *,
    incident: str,
    checkpoint: str,
    entries: list[dict[str, Any]],
    heads: list[dict[str, Any]],
    documents: Iterable[dict[str, Any]],
    opened: list[dict[str, Any]],
) -> Iterator[bytes]:
    """Yield a bundle document by document; the module's docstring shows the lists."""
    yield b'{"checkpoint":' + encode(checkpoint) + b',"documents":['
    comma = b""
    for document in documents:
        yield comma + encode(document)
        comma = b","
    yield b'],"entries":' + encode(entries)
    yield b',"heads":' + encode(heads)
    yield b',"incident":' + encode(incident)
    yield b',"opened":' + encode(opened)
    yield b',"type":' + encode(TYPE) + b"}\n"


def document(domain: str, digest: str, body: bytes | None) -> dict[str, Any]:
    """Return a document's object in a bundle; ``body`` None means erased or left out."""
    written, encoding = (None, "utf-8") if body is None else as_text(body)
    return {"domain": domain, "digest": digest, "body": written, "encoding": encoding}
