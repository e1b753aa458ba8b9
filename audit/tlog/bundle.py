"""The evidence bundle of one incident: one file, checked with the standard library alone.

A document is believed because its digest stands in a proven entry, an entry because it is in the
tree whose head a trusted key signed. What is trusted comes from the caller, never from the file.
The file's form stands in `audit.tlog.bundle_form`, what must be in it for it to be whole in
`audit.tlog.rules`, how that is checked in `audit.tlog.incident`.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

from audit.tlog import bundle_form, ed25519, incident
from audit.tlog.canonical import read
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import BadProof, Fork, Malformed, Mismatch, Missing
from audit.tlog.incident import Documents, Entry, strings
from audit.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from audit.tlog.note import Note, Verify
from audit.tlog.policy import NONE, Checked, Policy
from audit.tlog.rules import Rules, default

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
    rules: Rules | None = None,
) -> Verified:
    """Check a bundle; ``policy`` says whom to believe, ``seen`` is a head that the caller has,
    ``rules`` say what must be in it (else those that came with this log).

    Raises Malformed for what is no bundle, and for the first thing that does not hold UnknownKey,
    BadSignature, QuorumMissing, BadProof, Mismatch, Missing, Rollback, Fork.
    """
    given = bundle_form.read_file(raw)
    note = bundle_form.text(given, "checkpoint")
    checked = policy.check(note, verify)
    entries = tuple(_entries(given, checked.checkpoint))
    documents = dict(_documents(given, entries))
    heads = tuple(_heads(given, policy, checked.checkpoint, verify))
    about = bundle_form.text(given, "incident")
    heads_here = (checked.checkpoint, *heads)
    remarks = incident.check(about, entries, documents, heads_here, rules or default())
    said = dict(_opened(given, entries))
    if seen is not None:
        check_seen(seen, checked.checkpoint, heads)
    notes = (note, *(item["note"] for item in given["heads"]))
    remarks = (*_strangers(notes, policy), *_closed(entries, said), *remarks)
    return Verified(about, checked, entries, documents, heads, said, remarks)


def _entries(given: dict[str, Any], head: Checkpoint) -> Iterator[Entry]:
    for item in bundle_form.items(given, "entries", {"index", "body", "proof"}):
        index, body = item["index"], bundle_form.text(item, "body").encode()
        if type(index) is not int:
            raise Malformed("the index of an entry is a number")
        try:
            verify_inclusion(
                leaf=leaf_hash(body),
                index=index,
                size=head.size,
                proof=bundle_form.hashes(item, "proof"),
                root=head.root,
            )
        except BadProof as error:
            raise BadProof(f"entry {index}: {error.detail}") from None
        said = read(body)
        if said is None:
            raise Mismatch(f"entry {index} is no JSON object", index)
        yield Entry(index, body, said)
    bundle_form.ascending("entries", [item["index"] for item in given["entries"]])


def _documents(
    given: dict[str, Any], entries: tuple[Entry, ...]
) -> Iterator[tuple[tuple[str, str], bytes | None]]:
    """Each document's digest is its own, and stands in a proven entry."""
    named = {text for entry in entries for text in strings(entry.said)}
    keys = []
    for item in bundle_form.items(given, "documents", {"domain", "digest", "body", "encoding"}):
        domain, digest = bundle_form.text(item, "domain"), bundle_form.text(item, "digest")
        what = f"document {digest[:16]} ({domain or 'sha256'})"
        body = bundle_form.document_body(item)
        prefix = domain.encode() + b"\x00" if domain else b""
        if body is not None and sha256(prefix + body).hexdigest() != digest:
            raise Mismatch(f"{what} is not what its digest says")
        if digest not in named:
            raise Missing(f"{what} is named by no entry")
        keys.append((domain, digest))
        yield (domain, digest), body
    bundle_form.ascending("documents", keys)


def _heads(
    given: dict[str, Any], policy: Policy, newest: Checkpoint, verify: Verify
) -> Iterator[Checkpoint]:
    """Older heads that the log goes on from: those under which the gate let something run."""
    # Who must have cosigned them, the gate said then; lines that are there must be right.
    anybody = replace(policy, quorum=NONE)
    sizes = []
    for item in bundle_form.items(given, "heads", {"note", "consistency"}):
        head = anybody.check(bundle_form.text(item, "note"), verify).checkpoint
        if head.origin != newest.origin:
            raise Mismatch(f"the head of size {head.size} is of another log")
        try:
            verify_consistency(
                old_size=head.size,
                old_root=head.root,
                new_size=newest.size,
                new_root=newest.root,
                proof=bundle_form.hashes(item, "consistency"),
            )
        except BadProof as error:
            raise Fork(f"the log does not go on from size {head.size}: {error}") from None
        sizes.append(head.size)
        yield head
    bundle_form.ascending("heads", sizes)


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
    for item in bundle_form.items(given, "opened", {"commitment", "salt", "value"}):
        commitment, value = bundle_form.text(item, "commitment"), bundle_form.text(item, "value")
        try:
            salt = bytes.fromhex(bundle_form.text(item, "salt"))
        except ValueError:
            raise Malformed("a salt is written in hex") from None
        right = hmac.digest(salt, value.encode(), "sha256").hex() == commitment
        if not right or salt.hex() != item["salt"]:
            raise Mismatch(f"commitment {commitment[:16]} is not opened by this value")
        if commitment not in named:
            raise Missing(f"commitment {commitment[:16]} stands in no entry")
        keys.append(commitment)
        yield commitment, value
    bundle_form.ascending("opened", keys)


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
