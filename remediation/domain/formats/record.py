"""Records in the evidence, whatever their format: what each says, and where it stands."""

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
    """What the first format says that says anything."""
    return next((said for said in map(read, formats.FORMATS) if said), "")


@dataclass(frozen=True, eq=False)
class Event:
    """One record: where it stands, and what it says of who, what, when, where and how it ended.

    `error` is why the call did not take effect, "" when it did.
    """

    sha256: str
    pointer: str
    body: Body
    error: str = ""

    @cached_property
    def text(self) -> str:
        """Everything that the record says, one value a line."""
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
        """Who made the call, as closely as the record says."""
        return self.key or _first(lambda form: form.actor(self.body)) or self.user

    @property
    def address(self) -> str:
        return _first(lambda form: form.address(self.body))

    @property
    def account(self) -> str:
        return _first(lambda form: form.account(self.body))

    @property
    def message(self) -> str:
        """What a line of a log says, without its prefix where the agent took it apart."""
        return _first(lambda form: form.message(self.body))

    @property
    def acts(self) -> bool:
        """A call or a statement, not a line that only says who came and went."""
        return any(form.acts(self.body) for form in formats.FORMATS)

    @property
    def session(self) -> str:
        return _first(lambda form: form.session(self.body))

    @property
    def ends_session(self) -> bool:
        return any(form.ends_session(self.body) for form in formats.FORMATS)

    def say(self, *path: str) -> str:
        """The text at a path, "" where there is none; names match without regard to case."""
        return say(self.body, *path)

    def value(self, *path: str) -> Json:
        return value_at(self.body, *path)


@dataclass
class Records:
    """The records of one artefact, by their pointers."""

    found: dict[str, Event] = field(default_factory=dict)

    @classmethod
    def of(cls, sha256: str, document: Json) -> Records:
        """Find them in an artefact, at any depth, in any of the formats. Raises nothing."""
        bodies = list(_bodies(document))
        errors = {pointer: _error(body) for pointer, body in bodies}
        for form in formats.FORMATS:
            errors |= form.late_errors(bodies, errors)
        return cls(
            {pointer: Event(sha256, pointer, body, errors[pointer]) for pointer, body in bodies}
        )

    def at(self, pointer: str) -> Event | None:
        """The innermost record that holds what stands at the pointer."""
        while pointer not in self.found:
            if not pointer:
                return None
            pointer = pointer.rpartition("/")[0]
        return self.found[pointer]


def _bodies(document: Json) -> Iterator[tuple[str, Body]]:
    """Whatever looks like a record, at any depth, in the document's order; none inside another."""
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
    """Of the first format that says how it ended."""
    for form in formats.FORMATS:
        said = form.error(body)
        if said is not None:
            return said
    return ""
