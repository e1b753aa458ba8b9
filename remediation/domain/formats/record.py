"""Read records from evidence, independent of their format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from audit.tlog.canonical import Json
from remediation.domain import formats
from remediation.domain.formats.body import Body, members, say, strings_in, value_at
from remediation.domain.formats.form import Format
from remediation.domain.formats.nested import LEVELS, nested_in
from remediation.domain.formats.times import first_time


@dataclass(frozen=True, eq=False)
class Event:
    """One record with its place: who, what, when, where, and the outcome.

    `error` is why the call had no effect, "" if it had.
    """

    sha256: str
    pointer: str
    body: Body
    form: Format
    error: str = ""

    @cached_property
    def text(self) -> str:
        """Return all values of the record, one per line."""
        return "\n".join(text for _, text in strings_in(dict(self.body)))

    @cached_property
    def name(self) -> str:
        return self.form.name(self.body)

    @property
    def service(self) -> str:
        return self.form.service(self.body)

    @property
    def region(self) -> str:
        return self.form.region(self.body)

    @cached_property
    def time(self) -> datetime | None:
        return first_time(self.form.time(self.body))

    @property
    def key(self) -> str:
        return self.form.key(self.body)

    @property
    def user(self) -> str:
        return self.form.user(self.body)

    @property
    def actor(self) -> str:
        """Return the caller, as exactly as the record says."""
        return self.key or self.form.actor(self.body) or self.user

    @property
    def issuer(self) -> str:
        """Return who issued the caller's session: the role that it assumed, or its provider."""
        return self.form.issuer(self.body)

    @cached_property
    def objects(self) -> tuple[str, ...]:
        """Return the names of what was acted on."""
        return self.form.objects(self.body)

    @cached_property
    def obtained(self) -> tuple[str, ...]:
        """Return the credentials and identities that the call gave to its caller."""
        return self.form.obtained(self.body) if not self.error else ()

    @property
    def note(self) -> str:
        """Return why the record may be about nothing real now: a sample, archived, a test."""
        return self.form.note(self.body)

    @property
    def address(self) -> str:
        return self.form.address(self.body)

    @property
    def account(self) -> str:
        return self.form.account(self.body)

    @property
    def message(self) -> str:
        """Return the message of a log line, without its prefix if the agent split it off."""
        return self.form.message(self.body)

    @property
    def acts(self) -> bool:
        """Return whether it is a call or statement, and not only a line about a connection."""
        return self.form.acts(self.body)

    @property
    def session(self) -> str:
        return self.form.session(self.body)

    @property
    def ends_session(self) -> bool:
        return self.form.ends_session(self.body)

    def say(self, *path: str) -> str:
        """Return the text at a path, "" if there is none; names match in any case."""
        return say(self.body, *path)

    def value(self, *path: str) -> Json:
        return value_at(self.body, *path)


@dataclass
class Records:
    """The records of one artefact, by their pointers.

    `repeats` are places that tell an act of another record once more, by the pointer of that one.
    `beside`: how many entries of lists hold no record, in lists of which others hold one.
    """

    found: dict[str, Event] = field(default_factory=dict)
    repeats: dict[str, str] = field(default_factory=dict)
    beside: int = 0

    @classmethod
    def of(cls, sha256: str, document: Json) -> Records:
        """Find the records of an artefact, at any depth and in any format. Raises nothing."""
        lists: dict[str, int] = {}
        bodies = list(_bodies(document, lists))
        repeats: dict[str, str] = {}
        errors = {at: form.error(body) or "" for at, body, form in bodies}
        for form in formats.FORMATS:
            own = [(at, body) for at, body, reader in bodies if reader is form]
            errors |= form.late_errors(own, errors)
            repeats |= form.repeats(own)
        counted = (one for one in bodies if one[0] not in repeats)
        found = {at: Event(sha256, at, body, form, errors[at]) for at, body, form in counted}
        return cls(found, repeats, _beside(lists, [at for at, _, _ in bodies]))

    def at(self, pointer: str) -> Event | None:
        """Return the innermost record that contains the pointer."""
        while pointer not in self.found and pointer not in self.repeats:
            if not pointer:
                return None
            pointer = pointer.rpartition("/")[0]
        return self.found[self.repeats.get(pointer, pointer)]


def _beside(lists: Mapping[str, int], pointers: Sequence[str]) -> int:
    """Return how many entries hold no record, of the lists of which another entry holds one."""
    holds: set[str] = set()
    for pointer in pointers:
        at = pointer
        while at and at not in holds:
            holds.add(at)
            at = at.rpartition("/")[0]
    held = Counter(at.rpartition("/")[0] for at in holds)
    return sum(max(0, lists[at] - held[at]) for at in lists.keys() & held.keys())


def _bodies(document: Json, lists: dict[str, int]) -> Iterator[tuple[str, Body, Format]]:
    """Yield all records at any depth, in the document's order; not those inside another record.

    A record that stands as text in an object has the pointer of that object. If another has it
    already, the pointer gets a slash, so that no record hides another. Into `lists` go the lengths
    of the lists that were looked into.
    """
    rest: list[tuple[str, Json, int]] = [("", document, 0)]
    taken: set[str] = set()
    while rest:
        at, value, level = rest.pop()
        form = form_of(value) if isinstance(value, dict) else None
        if form is not None and isinstance(value, dict):
            while at in taken:
                at += "/"
            taken.add(at)
            yield at, value, form
            continue
        if isinstance(value, list):
            lists[at] = len(value)
        inner = [(pointer, member, level) for pointer, member in members(at, value)]
        if isinstance(value, dict) and level < LEVELS:
            inner += [
                (at if isinstance(held, dict) else f"{at}/{name}", held, level + 1)
                for name, held in nested_in(value)
            ]
        rest += reversed(inner)


def form_of(body: Body) -> Format | None:
    """Return the first format that recognises the object."""
    names = {name.lower() for name in body}
    return next((form for form in formats.FORMATS if form.is_record(names, body)), None)
