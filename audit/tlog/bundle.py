"""Verify the evidence bundle of one incident, a single file, with the standard library alone.

A document is trusted if a proven entry has its digest; an entry is proven if it is in the tree of a
head that a trusted key signed. The trusted keys come from the caller, never from the file.
`audit.tlog.bundle_form` defines the file's form, `audit.tlog.rules` what a complete bundle has, and
`audit.tlog.incident` verifies that.
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
from audit.tlog.claims import claimed
from audit.tlog.errors import BadProof, Fork, Malformed, Mismatch, Missing
from audit.tlog.incident import Documents, Entry, strings
from audit.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from audit.tlog.note import Note, Verify
from audit.tlog.policy import NONE, Checked, Policy
from audit.tlog.rules import Rules, default
from audit.tlog.writers import Judge, recorded

# The key of a committed value in an entry: `audit.log.append(private=...)`.
COMMITTED = "hmac-sha256"


@dataclass(frozen=True)
class Forged:
    """An entry that its writer may not have written. It is in the log, and nothing believes it."""

    entry: Entry
    why: str

    def __str__(self) -> str:
        return f"entry {self.entry.index} is forged and not believed: it {self.why}"


@dataclass(frozen=True)
class Verified:
    """The verified content of a bundle. ``entries`` are those that can be believed."""

    incident: str
    checked: Checked
    entries: tuple[Entry, ...]
    documents: Documents
    heads: tuple[Checkpoint, ...]
    opened: Mapping[str, str] = field(default_factory=dict)
    # Notes for the reader that do not decide the result.
    remarks: tuple[str, ...] = ()
    forged: tuple[Forged, ...] = ()

    @property
    def unwritten(self) -> int:
        """The number of entries from before writers were recorded."""
        return sum(not recorded(entry.said) for entry in self.entries)

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
    """Verify a bundle.

    ``policy`` names the trusted keys, ``seen`` is a head that the caller has, and ``rules`` say
    what a bundle must contain (default: the rules of this log).

    Raises Malformed if it is not a bundle, and for the first failure UnknownKey, BadSignature,
    QuorumMissing, BadProof, Mismatch, Missing, Rollback or Fork.
    """
    # The head first: a file that nobody signed is not even parsed.
    note = bundle_form.checkpoint(raw)
    checked = policy.check(note, verify)
    given = bundle_form.read_file(raw)
    if given["checkpoint"] != note:
        raise Malformed("the bundle is not in its canonical form")
    proven = tuple(_entries(given, checked.checkpoint))
    documents = dict(_documents(given, proven))
    rules = rules or default()
    forged = tuple(_forged(proven, rules))
    # A forged entry counts as not there: nothing that it says is required or believed.
    unbelieved = {one.entry.index for one in forged}
    entries = tuple(entry for entry in proven if entry.index not in unbelieved)
    heads = tuple(_heads(given, policy, checked.checkpoint, verify))
    about = bundle_form.text(given, "incident")
    heads_here = (checked.checkpoint, *heads)
    claims = claimed(entries, documents, rules)
    remarks = incident.check(about, entries, documents, heads_here, rules, claims)
    said = dict(_opened(given, proven))
    if seen is not None:
        check_seen(seen, checked.checkpoint, heads)
    notes = (note, *(item["note"] for item in given["heads"]))
    remarks = (*_strangers(notes, policy), *_closed(entries, said), *remarks)
    return Verified(about, checked, entries, documents, heads, said, remarks, forged)


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


def _forged(proven: tuple[Entry, ...], rules: Rules) -> Iterator[Forged]:
    judge = Judge(rules.writers)
    for entry in proven:
        if why := judge.why_forged_bytes(entry.index, entry.body):
            yield Forged(entry, why)


def _documents(
    given: dict[str, Any], entries: tuple[Entry, ...]
) -> Iterator[tuple[tuple[str, str], bytes | None]]:
    """Yield the documents; each must match its digest, which a proven entry must contain."""
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
    """Yield older heads that the newest one extends: those under which the gate cleared a run."""
    # The gate verified the quorum of these heads; here existing lines must only be valid.
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
    """Compare with a head that the caller has.

    Raises Fork, Mismatch for a head of another log, and Missing if this file has no proof between
    the two. A file that is older than the caller's head is not a rollback.
    """
    if seen.origin != newest.origin:
        raise Mismatch(f"the head seen is of {seen.origin}, this one of {newest.origin}")
    if seen.size == 0:
        return  # every log extends the empty one
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
    """Report lines of unknown keys, which prove nothing; refuse two lines of one key."""
    known = {(key.name, key.key_id) for key in (*policy.logs, *(w.key for w in policy.witnesses))}
    names = set()
    for note in notes:
        lines = [(line.name, line.key_id) for line in Note.parse(note).signatures]
        if len(set(lines)) != len(lines):
            raise Malformed("a key has two lines under one head")
        names |= {name for name, _ in set(lines) - known}
    for name in sorted(names):
        yield f"not checked: what {name} signed, no key of it was given"
