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
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from audit.tlog import b64, ed25519
from audit.tlog.canonical import encode
from audit.tlog.checkpoint import Checkpoint, opened
from audit.tlog.errors import BadProof, Fork, Malformed, Mismatch, Missing, NotCanonical
from audit.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from audit.tlog.note import Verify
from audit.tlog.policy import Checked, Policy

TYPE = "hitlportal-bundle/v1"
# Evidence of an incident is some megabytes; a bundle is read whole.
MAX_BYTES = 256 * 1024 * 1024

# What an entry of this kind names must be in the bundle: path in its data -> domain of the digest
# ("" is plain SHA-256).
NAMED: Mapping[str, Mapping[str, str]] = {
    "agent:report:submitted": {"diagnosis": "hitlportal/diagnosis/v1", "evidence": ""},
    "agent:proposal:submitted": {
        "plan": "hitlportal/plan/v1",
        "diagnosis": "hitlportal/diagnosis/v1",
    },
    "worker:proposal:assessed": {
        "pin": "hitlportal/pin/v1",
        "scope": "hitlportal/scope/v1",
        "checks": "hitlportal/checks/v1",
        "ruling": "hitlportal/ruling/v1",
        "observation": "hitlportal/observation/v1",
        "facts": "",
    },
    "person:review:signed": {
        f"statement.{name}": f"hitlportal/{name}/v1"
        for name in ("plan", "diagnosis", "scope", "ruling", "pin", "checks")
    },
    "worker:gate:cleared": {"evidence": ""},
}


@dataclass(frozen=True)
class Entry:
    """A proven entry: its place, its exact bytes, and what they say."""

    index: int
    body: bytes
    said: Mapping[str, Any]


@dataclass(frozen=True)
class Verified:
    """What a bundle holds, all of it checked."""

    incident: str
    checked: Checked
    entries: tuple[Entry, ...]
    # (domain, digest) -> the bytes; None where they were erased or left out.
    documents: Mapping[tuple[str, str], bytes | None]
    heads: tuple[Checkpoint, ...]
    opened: Mapping[str, str] = field(default_factory=dict)

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
    checked = policy.check(_text(given, "checkpoint"), verify)
    entries = tuple(_entries(given, checked.checkpoint))
    incident = _text(given, "incident")
    _check_about(incident, entries)
    documents = dict(_documents(given, entries))
    _check_named(entries, documents)
    heads = tuple(_heads(given, policy, checked.checkpoint, verify))
    if seen is not None:
        check_seen(seen, checked.checkpoint, heads)
    said = dict(_opened(given, entries))
    return Verified(incident, checked, entries, documents, heads, said)


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
    before = -1
    for item in _items(given, "entries", {"index", "body", "proof"}):
        index, body = item["index"], _text(item, "body").encode()
        if type(index) is not int or index <= before:
            raise Malformed("entries stand in the order of the log, each once")
        before = index
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
        yield Entry(index, body, _said(index, body))


def _said(index: int, body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Mismatch("an entry is a JSON object", index)
    return said


def _check_about(incident: str, entries: tuple[Entry, ...]) -> None:
    """Every entry is about the incident or one of its proposals."""
    about = {f"incident:{incident}"}
    for entry in entries:
        data = entry.said.get("data")
        submitted = entry.said.get("action") == "agent:proposal:submitted"
        if submitted and isinstance(data, dict) and data.get("incident") == incident:
            about.add(str(entry.said.get("object")))
    for entry in entries:
        if entry.said.get("object") not in about:
            raise Mismatch(f"entry {entry.index} is about something else", entry.index)
    if not any(entry.said.get("object") == f"incident:{incident}" for entry in entries):
        raise Missing("no entry is about the incident")


def _documents(
    given: dict[str, Any], entries: tuple[Entry, ...]
) -> Iterator[tuple[tuple[str, str], bytes | None]]:
    """Each document's digest is its own, and stands in a proven entry."""
    named = {text for entry in entries for text in _strings(entry.said)}
    for item in _items(given, "documents", {"domain", "digest", "body", "encoding"}):
        domain, digest = _text(item, "domain"), _text(item, "digest")
        what = f"document {digest[:16]} ({domain or 'sha256'})"
        body = _body(item)
        prefix = domain.encode() + b"\x00" if domain else b""
        if body is not None and sha256(prefix + body).hexdigest() != digest:
            raise Mismatch(f"{what} is not what its digest says")
        if digest not in named:
            raise Missing(f"{what} is named by no entry")
        yield (domain, digest), body


def _body(item: dict[str, Any]) -> bytes | None:
    kind = item["encoding"]
    if item["body"] is None and kind == "utf-8":
        return None
    if kind == "utf-8":
        return _text(item, "body").encode()
    if kind == "base64":
        return b64.decode(_text(item, "body"), "a document")
    raise Malformed("a document is utf-8 or base64")


def _check_named(
    entries: tuple[Entry, ...], documents: Mapping[tuple[str, str], bytes | None]
) -> None:
    """What an entry relies on is there; erased bytes are there as a digest without them."""
    for entry in entries:
        for path, domain in NAMED.get(str(entry.said.get("action")), {}).items():
            found = _find(entry.said.get("data"), path)
            for digest in found if isinstance(found, list) else [found]:
                if digest is not None and (domain, digest) not in documents:
                    raise Missing(f"entry {entry.index} names {path} {str(digest)[:16]}: not here")


def _heads(
    given: dict[str, Any], policy: Policy, newest: Checkpoint, verify: Verify
) -> Iterator[Checkpoint]:
    """Older heads that the log goes on from: those under which the gate let something run."""
    for item in _items(given, "heads", {"note", "consistency"}):
        head = opened(_text(item, "note"), policy.logs, verify)
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
        yield head


def check_seen(seen: Checkpoint, newest: Checkpoint, heads: tuple[Checkpoint, ...]) -> None:
    """Compare with a head that the caller has. Raises Fork, and Missing when this file cannot say.

    A file that is older than the caller's head is no rollback: it was made before.
    """
    for head in (newest, *heads):
        if (head.origin, head.size) == (seen.origin, seen.size):
            if head.root != seen.root:
                raise Fork(f"size {seen.size} was seen with another root")
            return
    raise Missing(
        f"no proof here from the head seen ({seen.size}) to this one ({newest.size}): make the"
        " bundle with --seen, or verify an export of the whole log"
    )


def _opened(given: dict[str, Any], entries: tuple[Entry, ...]) -> Iterator[tuple[str, str]]:
    named = {text for entry in entries for text in _strings(entry.said)}
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
        yield commitment, value


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


def _find(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def dump(
    *,
    incident: str,
    checkpoint: str,
    entries: list[dict[str, Any]],
    heads: list[dict[str, Any]],
    documents: list[dict[str, Any]],
    opened: list[dict[str, Any]],
) -> bytes:
    """Write a bundle; the lists as the module's docstring shows them."""
    return (
        encode(
            {
                "type": TYPE,
                "incident": incident,
                "checkpoint": checkpoint,
                "entries": entries,
                "heads": heads,
                "documents": documents,
                "opened": opened,
            }
        )
        + b"\n"
    )
