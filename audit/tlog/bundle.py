"""The evidence bundle of one incident: one file, checked with the standard library alone.

Canonical JSON (`canonical.encode`) and a newline, so that no byte of it can change unseen:

    {"type": "hitlportal-bundle/v1", "incident": "<uuid>",
     "checkpoint": "<signed note>",
     "entries":   [{"index": 7, "body": "<exact bytes>", "proof": ["<base64>", ...]}, ...],
     "heads":     [{"note": "<older signed note>", "consistency": ["<base64>", ...]}, ...],
     "documents": [{"domain": "hitlportal/plan/v1", "digest": "<hex>", "body": "..."|null,
                    "encoding": "utf-8"|"base64"}, ...],
     "opened":    [{"commitment": "<hex>", "salt": "<hex>", "value": "..."}, ...]}

A document is believed because its digest stands in a proven entry, an entry because it is in the
tree whose head a trusted key signed. What is trusted comes from the caller, never from the file.
Lists are sorted and hold nothing twice: one bundle, one string of bytes. What must be in it for it
to be whole stands in `audit.tlog.incident`.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

from audit.tlog import b64, ed25519, incident
from audit.tlog.canonical import encode, read
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import BadProof, Fork, Malformed, Mismatch, Missing, NotCanonical
from audit.tlog.incident import Documents, Entry, strings
from audit.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from audit.tlog.note import Note, Verify
from audit.tlog.policy import NONE, Checked, Policy

TYPE = "hitlportal-bundle/v1"
# Evidence of an incident is some megabytes; a bundle is read whole.
MAX_BYTES = 256 * 1024 * 1024
# The key of a committed value in an entry: `audit.log.append(private=...)`.
COMMITTED = "hmac-sha256"


@dataclass(frozen=True)
class Verified:
    """What a bundle holds, all of it checked."""

    incident: str
    checked: Checked
    entries: tuple[Entry, ...]
    documents: Documents
    heads: tuple[Checkpoint, ...]
    opened: Mapping[str, str] = field(default_factory=dict)
    # What a reader should know that neither holds nor fails.
    remarks: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        return sum(body is None for body in self.documents.values())


def verify(
    raw: bytes,
    policy: Policy,
    *,
    seen: Checkpoint | None = None,
    verify: Verify = ed25519.verify,
) -> Verified:
    """Check a bundle; ``policy`` says whom to believe, ``seen`` is a head that the caller has.

    Raises Malformed for what is no bundle, and for the first thing that does not hold UnknownKey,
    BadSignature, QuorumMissing, BadProof, Mismatch, Missing, Rollback, Fork.
    """
    given = _read(raw)
    note = _text(given, "checkpoint")
    checked = policy.check(note, verify)
    entries = tuple(_entries(given, checked.checkpoint))
    documents = dict(_documents(given, entries))
    heads = tuple(_heads(given, policy, checked.checkpoint, verify))
    about = _text(given, "incident")
    remarks = incident.check(about, entries, documents, (checked.checkpoint, *heads))
    said = dict(_opened(given, entries))
    if seen is not None:
        check_seen(seen, checked.checkpoint, heads)
    notes = (note, *(item["note"] for item in given["heads"]))
    remarks = (*_strangers(notes, policy), *_closed(entries, said), *remarks)
    return Verified(about, checked, entries, documents, heads, said, remarks)


def _read(raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_BYTES:
        raise Malformed("the bundle is too long")
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


def _entries(given: dict[str, Any], head: Checkpoint) -> Iterator[Entry]:
    for item in _items(given, "entries", {"index", "body", "proof"}):
        index, body = item["index"], _text(item, "body").encode()
        if type(index) is not int:
            raise Malformed("the index of an entry is a number")
        try:
            verify_inclusion(
                leaf=leaf_hash(body),
                index=index,
                size=head.size,
                proof=_hashes(item, "proof"),
                root=head.root,
            )
        except BadProof as error:
            raise BadProof(f"entry {index}: {error.detail}") from None
        said = read(body)
        if said is None:
            raise Mismatch(f"entry {index} is no JSON object", index)
        yield Entry(index, body, said)
    _ascending("entries", [item["index"] for item in given["entries"]])


def _documents(
    given: dict[str, Any], entries: tuple[Entry, ...]
) -> Iterator[tuple[tuple[str, str], bytes | None]]:
    """Each document's digest is its own, and stands in a proven entry."""
    named = {text for entry in entries for text in strings(entry.said)}
    keys = []
    for item in _items(given, "documents", {"domain", "digest", "body", "encoding"}):
        domain, digest = _text(item, "domain"), _text(item, "digest")
        what = f"document {digest[:16]} ({domain or 'sha256'})"
        body = _body(item)
        prefix = domain.encode() + b"\x00" if domain else b""
        if body is not None and sha256(prefix + body).hexdigest() != digest:
            raise Mismatch(f"{what} is not what its digest says")
        if digest not in named:
            raise Missing(f"{what} is named by no entry")
        keys.append((domain, digest))
        yield (domain, digest), body
    _ascending("documents", keys)


def _as_text(body: bytes) -> tuple[str, str]:
    """How a document is written: as the text that it is, else in base64; and which of the two."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return b64.encode(body), "base64"
    # NUL has no place in canonical JSON.
    return (b64.encode(body), "base64") if "\0" in text else (text, "utf-8")


def _body(item: dict[str, Any]) -> bytes | None:
    if item["body"] is None and item["encoding"] == "utf-8":
        return None
    text = _text(item, "body")
    body = b64.decode(text, "a document") if item["encoding"] == "base64" else text.encode()
    if _as_text(body) != (text, item["encoding"]):
        raise Malformed("a document is written as text, or in base64 where it is none")
    return body


def _heads(
    given: dict[str, Any], policy: Policy, newest: Checkpoint, verify: Verify
) -> Iterator[Checkpoint]:
    """Older heads that the log goes on from: those under which the gate let something run."""
    # Who must have cosigned them, the gate said then; lines that are there must be right.
    anybody = replace(policy, quorum=NONE)
    sizes = []
    for item in _items(given, "heads", {"note", "consistency"}):
        head = anybody.check(_text(item, "note"), verify).checkpoint
        if head.origin != newest.origin:
            raise Mismatch(f"the head of size {head.size} is of another log")
        try:
            verify_consistency(
                old_size=head.size,
                old_root=head.root,
                new_size=newest.size,
                new_root=newest.root,
                proof=_hashes(item, "consistency"),
            )
        except BadProof as error:
            raise Fork(f"the log does not go on from size {head.size}: {error}") from None
        sizes.append(head.size)
        yield head
    _ascending("heads", sizes)


def check_seen(seen: Checkpoint, newest: Checkpoint, heads: tuple[Checkpoint, ...]) -> None:
    """Compare with a head that the caller has. Raises Fork, Mismatch for a head of another log, and
    Missing when this file cannot say.

    A file that is older than the caller's head is no rollback: it was made before.
    """
    if seen.origin != newest.origin:
        raise Mismatch(f"the head seen is of {seen.origin}, this one of {newest.origin}")
    if seen.size == 0:
        return  # every log goes on from nothing
    for head in (newest, *heads):
        if head.size == seen.size:
            if head.root != seen.root:
                raise Fork(f"size {seen.size} was seen with another root")
            return
    raise Missing(
        f"no proof here from the head seen ({seen.size}) to this one ({newest.size}): make the"
        " bundle with --seen, or verify an export of the whole log"
    )


def _opened(given: dict[str, Any], entries: tuple[Entry, ...]) -> Iterator[tuple[str, str]]:
    named = {text for entry in entries for text in strings(entry.said)}
    keys = []
    for item in _items(given, "opened", {"commitment", "salt", "value"}):
        commitment, value = _text(item, "commitment"), _text(item, "value")
        try:
            salt = bytes.fromhex(_text(item, "salt"))
        except ValueError:
            raise Malformed("a salt is written in hex") from None
        right = hmac.digest(salt, value.encode(), "sha256").hex() == commitment
        if not right or salt.hex() != item["salt"]:
            raise Mismatch(f"commitment {commitment[:16]} is not opened by this value")
        if commitment not in named:
            raise Missing(f"commitment {commitment[:16]} stands in no entry")
        keys.append(commitment)
        yield commitment, value
    _ascending("opened", keys)


def _closed(entries: tuple[Entry, ...], opened: Mapping[str, str]) -> Iterator[str]:
    names = {text for entry in entries for text in _commitments(entry.said)}
    if left := len(names - opened.keys()):
        yield f"{left} committed values are not opened here: erased, or left out"


def _commitments(said: Any) -> Iterator[str]:
    rest = [said]
    while rest:
        one = rest.pop()
        if isinstance(one, dict) and one.keys() == {COMMITTED}:
            yield str(one[COMMITTED])
        elif isinstance(one, dict | list):
            rest.extend(one.values() if isinstance(one, dict) else one)


def _strangers(notes: Iterable[str], policy: Policy) -> Iterator[str]:
    """Lines by keys that the caller did not name say nothing; each key may have one line."""
    known = {(key.name, key.key_id) for key in (*policy.logs, *(w.key for w in policy.witnesses))}
    names = set()
    for note in notes:
        lines = [(line.name, line.key_id) for line in Note.parse(note).signatures]
        if len(set(lines)) != len(lines):
            raise Malformed("a key has two lines under one head")
        names |= {name for name, _ in set(lines) - known}
    for name in sorted(names):
        yield f"not checked: what {name} signed, no key of it was given"


# ---- reading -------------------------------------------------------------------------------------


def _items(given: dict[str, Any], name: str, keys: set[str]) -> list[dict[str, Any]]:
    items = given[name]
    if not isinstance(items, list) or not all(
        isinstance(item, dict) and item.keys() == keys for item in items
    ):
        raise Malformed(f"{name} are objects with {', '.join(sorted(keys))}")
    return items


def _text(given: dict[str, Any], name: str) -> str:
    value = given[name]
    if not isinstance(value, str):
        raise Malformed(f"{name} is a text")
    return value


def _hashes(item: dict[str, Any], name: str) -> list[bytes]:
    if not isinstance(item[name], list):
        raise Malformed(f"{name} is a list")
    return [b64.decode(one if isinstance(one, str) else "?", "a hash") for one in item[name]]


def _ascending(name: str, keys: Sequence[Any]) -> None:
    if any(one >= two for one, two in pairwise(keys)):
        raise Malformed(f"{name} stand in their order, each once")


def pieces(
    *,
    incident: str,
    checkpoint: str,
    entries: list[dict[str, Any]],
    heads: list[dict[str, Any]],
    documents: Iterable[dict[str, Any]],
    opened: list[dict[str, Any]],
) -> Iterator[bytes]:
    """Write a bundle, document by document; the lists as the module's docstring shows them."""
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
    """One document as it stands in a bundle; ``body`` is None when it was erased or is left out."""
    text, encoding = (None, "utf-8") if body is None else _as_text(body)
    return {"domain": domain, "digest": digest, "body": text, "encoding": encoding}
