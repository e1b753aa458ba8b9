"""Read records from evidence, independent of their format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from audit.tlog.canonical import Json
from remediation.domain import formats
from remediation.domain.formats.body import Body, members, say, strings_in, value_at
from remediation.domain.formats.form import Format
from remediation.domain.formats.times import first_time


def _first(read: Callable[[Format], str]) -> str:
    """Return the first format's value that is not empty."""
    return next((said for said in map(read, formats.FORMATS) if said), "")


@dataclass(frozen=True, eq=False)
class Event:
    """One record with its place: who, what, when, where, and the outcome.

    `error` is why the call had no effect, "" if it had.
    """

    sha256: str
    pointer: str
    body: Body
    error: str = ""

    @cached_property
    def text(self) -> str:
        """Return all values of the record, one per line."""
        return "\n".join(text for _, text in strings_in(dict(self.body)))

    @cached_property
    def name(self) -> str:
        return _first(lambda form: form.name(self.body))

    @property
    def service(self) -> str:
        return _first(lambda form: form.service(self.body))

    @property
    def region(self) -> str:
        return _first(lambda form: form.region(self.body))

    @cached_property
    def time(self) -> datetime | None:
        return first_time(_first(lambda form: form.time(self.body)))

    @property
    def key(self) -> str:
        return _first(lambda form: form.key(self.body))

    @property
    def user(self) -> str:
        return _first(lambda form: form.user(self.body))

    @property
    def actor(self) -> str:
        """Return the caller, as exactly as the record says."""
        return self.key or _first(lambda form: form.actor(self.body)) or self.user

    @property
    def address(self) -> str:
        return _first(lambda form: form.address(self.body))

    @property
    def account(self) -> str:
        return _first(lambda form: form.account(self.body))

    @property
    def message(self) -> str:
        """Return the message of a log line, without its prefix if the agent split it off."""
        return _first(lambda form: form.message(self.body))

    @property
    def acts(self) -> bool:
        """Return whether it is a call or statement, and not only a line about a connection."""
        return any(form.acts(self.body) for form in formats.FORMATS)

    @property
    def session(self) -> str:
        return _first(lambda form: form.session(self.body))

    @property
    def ends_session(self) -> bool:
        return any(form.ends_session(self.body) for form in formats.FORMATS)

    def say(self, *path: str) -> str:
        """Return the text at a path, "" if there is none; names match in any case."""
        return say(self.body, *path)

    def value(self, *path: str) -> Json:
        return value_at(self.body, *path)


@dataclass
class Records:
    """The records of one artefact, by their pointers."""

    found: dict[str, Event] = field(default_factory=dict)

    @classmethod
    def of(cls, sha256: str, document: Json) -> Records:
        """Find the records of an artefact, at any depth and in any format. Raises nothing."""
        bodies = list(_bodies(document))
        errors = {pointer: _error(body) for pointer, body in bodies}
        for form in formats.FORMATS:
            errors |= form.late_errors(bodies, errors)
        return cls(
            {pointer: Event(sha256, pointer, body, errors[pointer]) for pointer, body in bodies}
        )

    def at(self, pointer: str) -> Event | None:
        """Return the innermost record that contains the pointer."""
        while pointer not in self.found:
            if not pointer:
                return None
            pointer = pointer.rpartition("/")[0]
        return self.found[pointer]


def _bodies(document: Json) -> Iterator[tuple[str, Body]]:
    """Yield all records at any depth, in the document's order; not those inside another record."""
    rest: list[tuple[str, Json]] = [("", document)]
    while rest:
        at, value = rest.pop()
        if isinstance(value, dict) and _is_record(value):
            yield at, value
        else:
            rest += reversed(list(members(at, value)))


def _is_record(value: Body) -> bool:
    names = {name.lower() for name in value}
    return any(form.is_record(names) for form in formats.FORMATS)


def _error(body: Body) -> str:
    """Return the error from the first format that knows the outcome."""
    for form in formats.FORMATS:
        said = form.error(body)
        if said is not None:
            return said
    return ""
