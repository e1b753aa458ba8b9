"""Check that a bundle is complete: everything that its entries refer to must be in it.

Entries are in a log and cannot be changed, but the author of a bundle can leave something out. This
module finds missing documents that an entry names, missing entries that another one relies on, and
a missing head under which the gate cleared a run (`audit.tlog.rules` says which these are). What
`audit.tlog.claims` finds to be a mere claim of the web process becomes a remark instead. No bundle
can show that the log has no other entry about the incident.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeAlias

from audit.tlog.canonical import read
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import Mismatch, Missing, TlogError
from audit.tlog.note import Note
from audit.tlog.rules import Rules
from audit.tlog.writers import MEMBER

# (domain, digest) -> the bytes; None if they were erased or left out.
Documents: TypeAlias = Mapping[tuple[str, str], bytes | None]


@dataclass(frozen=True)
class Entry:
    """A proven entry: its leaf index, its exact bytes, and its parsed content."""

    index: int
    body: bytes
    said: Mapping[str, Any]

    @property
    def action(self) -> str:
        return str(self.said.get("action"))

    @property
    def object(self) -> str:
        return str(self.said.get("object"))

    @property
    def writer(self) -> str:
        """The login that wrote it; "" in entries from before writers were recorded."""
        return str(self.said.get(MEMBER, ""))


def check(
    incident: str,
    entries: Sequence[Entry],
    documents: Documents,
    heads: Sequence[Checkpoint],
    rules: Rules,
    claims: frozenset[int] = frozenset(),
) -> tuple[str, ...]:
    """Check that the parts belong together and are complete; return remarks for the reader.

    ``heads[0]`` is the newest, ``claims`` are the entries on which nothing rests. Raises Mismatch
    or Missing, which name the entry and the part.
    """
    _check_about(incident, entries, rules)
    there = {(entry.action, entry.object) for entry in entries}
    remarks = []
    for entry in entries:
        try:
            _check_rest(entry, there, rules)
            for path, domain, digest in _named(entry, rules):
                _check_document(entry, path, (domain, digest), documents, rules)
        except (Missing, Mismatch) as error:
            if entry.index not in claims:
                raise
            remarks.append(f"only claimed by {entry.writer}: {error.detail}")
    cleared = [entry for entry in entries if entry.action == rules.cleared]
    found = {_check_gate(entry, entries, documents, heads) for entry in cleared}
    elsewhere = {origin for origin in found if origin}
    remarks += [
        f"a run was cleared under a head of another log, {origin}: not compared with this one"
        for origin in sorted(elsewhere)
    ]
    return tuple(remarks)


def _check_about(incident: str, entries: Sequence[Entry], rules: Rules) -> None:
    """Require every entry to be about the incident or one of its proposals."""
    about = {f"incident:{incident}"}
    for entry in entries:
        if entry.action in rules.proposed and find(entry.said.get("data"), "incident") == incident:
            about.add(entry.object)
    for entry in entries:
        if entry.object not in about:
            raise Mismatch(f"entry {entry.index} is about something else", entry.index)
    if not any(entry.object == f"incident:{incident}" for entry in entries):
        raise Missing("no entry is about the incident")


def check_rests(entries: Sequence[Entry], rules: Rules) -> None:
    """Require the entries that each entry relies on. Raises Missing."""
    there = {(entry.action, entry.object) for entry in entries}
    for entry in entries:
        _check_rest(entry, there, rules)


def _check_rest(entry: Entry, there: Set[tuple[str, str]], rules: Rules) -> None:
    needed = rules.rests_on.get(entry.action)
    if needed is not None and (needed, entry.object) not in there:
        raise Missing(f"entry {entry.index}, {entry.action}, rests on {needed}: not here")


def _named(entry: Entry, rules: Rules) -> Iterator[tuple[str, str, str]]:
    """Yield (path, domain, digest) of each document that the entry names."""
    for path, domain in rules.named.get(entry.action, {}).items():
        found = find(entry.said.get("data"), path)
        if found is None and entry.action != rules.cleared:
            continue  # a transition's entry has the same action as what it records, but no digests
        for digest in found if isinstance(found, list) else [found]:
            if not isinstance(digest, str):
                raise Mismatch(f"entry {entry.index}: its {path} is no digest", entry.index)
            yield path, domain, digest


def _check_document(
    entry: Entry, path: str, key: tuple[str, str], documents: Documents, rules: Rules
) -> None:
    what = f"entry {entry.index} names {path} {key[1][:16]}"
    if key not in documents:
        raise Missing(f"{what}: not here")
    if documents[key] is None and (entry.action, path) != rules.erasable:
        raise Missing(f"{what}: here without its bytes")


def _check_gate(
    entry: Entry, entries: Sequence[Entry], documents: Documents, heads: Sequence[Checkpoint]
) -> str | None:
    """Check what the gate relied on; return the origin of its head if it is of another log.

    The head that the gate accepted must be one of those that the newest head extends; otherwise the
    worker saw another log than the reader. Every entry that the gate relied on must be here.
    """
    seen = read(documents["", str(find(entry.said.get("data"), "evidence"))] or b"")
    note = find(seen, "log.checkpoint")
    try:
        head = Checkpoint.parse(Note.parse(note if isinstance(note, str) else "").text)
    except TlogError:
        raise Mismatch(
            f"entry {entry.index}: what the gate saw holds no head", entry.index
        ) from None
    if head.origin != heads[0].origin:
        return head.origin
    if head not in heads:
        raise Missing(f"entry {entry.index}: the head of {head.size} that the gate saw is not here")
    there = {one.body for one in entries}
    for body in _relied_on(entry, seen):
        if body not in there:
            raise Missing(f"entry {entry.index}: the gate saw an entry that is not here")
    return None


def _relied_on(entry: Entry, seen: Any) -> Iterator[bytes]:
    """Yield the bytes of the entries about the same proposal in the gate's evidence."""
    given = find(seen, "log.entries")
    for one in given if isinstance(given, list) else ():
        body = str(find(one, "body")).encode(errors="surrogatepass")
        if find(read(body), "object") == entry.object:
            yield body


def find(value: Any, path: str) -> Any:
    """Return the value at a path such as ``statement.plan``; None if there is none."""
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def strings(value: Any) -> Iterator[str]:
    """Yield every text in a JSON value. Not recursive, because entries can be deeply nested."""
    rest = [value]
    while rest:
        one = rest.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            rest.extend(one.values())
        elif isinstance(one, list):
            rest.extend(one)
