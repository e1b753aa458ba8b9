"""Records in the evidence: CloudTrail events and lines of a server's log, read leniently.

Evidence is foreign: whatever has another shape is left out, and nothing here raises.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from audit.tlog.canonical import Json
from remediation.domain.checks.times import first_time

# Lambda's event names end in the API date and a version: AddPermission20150331v2.
_API_DATE = re.compile(r"\d{8}(v\d+)?$")
_READING = re.compile(r"(Get|List|Describe|Head|Lookup|BatchGet)[A-Z]")
# A reading call that finds nothing configured has told its caller what is there: nothing.
_NOTHING_THERE = re.compile(r"NoSuch|NotFound|NotConfigured")
_LOG_ERROR = re.compile(r"(?:^|\s)(ERROR|FATAL|PANIC): +(.{0,120})")
STATEMENT = ("statement:", "execute ")
_PROCESS = re.compile(r"\[(\d+)\]")


@dataclass(frozen=True, eq=False)
class Event:
    """One record: where it stands, and what it says of who, what, when, where and how it ended.

    `error` is why the call did not take effect, "" when it did.
    """

    sha256: str
    pointer: str
    body: Mapping[str, Json]
    error: str = ""

    @cached_property
    def text(self) -> str:
        """Everything that the record says, one value a line."""
        return "\n".join(text for _, text in strings_in(dict(self.body)))

    @cached_property
    def name(self) -> str:
        return _API_DATE.sub("", self.say("eventName"))

    @property
    def service(self) -> str:
        return self.say("eventSource").partition(".")[0]

    @cached_property
    def time(self) -> datetime | None:
        return first_time(self.say("eventTime") or self.say("text")[:60])

    @property
    def key(self) -> str:
        return self.say("userIdentity", "accessKeyId")

    @property
    def user(self) -> str:
        return self.say("userIdentity", "userName") or self.say("user")

    @property
    def actor(self) -> str:
        """Who made the call, as closely as the record says."""
        return self.key or self.say("userIdentity", "arn") or self.user

    @property
    def address(self) -> str:
        return self.say("sourceIPAddress")

    @property
    def account(self) -> str:
        return self.say("recipientAccountId") or self.say("userIdentity", "accountId")

    @property
    def message(self) -> str:
        """What a line of a log says, without its prefix where the agent took it apart."""
        return self.say("message") or self.say("text")

    @property
    def acts(self) -> bool:
        """A call or a statement, not a line that only says who came and went."""
        return bool(self.name) or self.message.startswith(STATEMENT)

    def say(self, *path: str) -> str:
        """The text at a path, "" where there is none; names match without regard to case."""
        value = self.value(*path)
        return value if isinstance(value, str) else ""

    def value(self, *path: str) -> Json:
        found: Json = dict(self.body)
        for name in path:
            found = _member(found, name)
        return found


def _member(value: Json, name: str) -> Json:
    """Exporters change ``accessKeyId``: exactly so, else in any case."""
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    return next((item for key, item in value.items() if key.lower() == name.lower()), None)


@dataclass
class Records:
    """The records of one artefact, by their pointers."""

    found: dict[str, Event] = field(default_factory=dict)

    @classmethod
    def of(cls, sha256: str, document: Json) -> Records:
        bodies = list(_bodies(document))
        late = _statements_refused(bodies)
        return cls(
            {
                pointer: Event(sha256, pointer, body, late.get(pointer) or _error(body))
                for pointer, body in bodies
            }
        )

    def at(self, pointer: str) -> Event | None:
        """The innermost record that holds what stands at the pointer."""
        while pointer not in self.found:
            if not pointer:
                return None
            pointer = pointer.rpartition("/")[0]
        return self.found[pointer]


def _bodies(document: Json) -> Iterator[tuple[str, dict[str, Json]]]:
    """Whatever looks like a record, at any depth, in the document's order; none inside another."""
    rest: list[tuple[str, Json]] = [("", document)]
    while rest:
        at, value = rest.pop()
        if isinstance(value, dict) and _is_record(value):
            yield at, value
        else:
            rest += reversed(list(_members(at, value)))


def _members(at: str, value: Json) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict):
        yield from ((f"{at}/{_escaped(name)}", member) for name, member in value.items())
    elif isinstance(value, list):
        yield from ((f"{at}/{index}", member) for index, member in enumerate(value))


def _is_record(value: dict[str, Json]) -> bool:
    names = {name.lower() for name in value}
    return "eventname" in names or ("user" in names and bool(names & {"message", "text"}))


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _error(body: dict[str, Json]) -> str:
    event = Event("", "", body)
    code = event.say("errorCode")
    if code and _READING.match(event.name) and _NOTHING_THERE.search(code):
        return ""
    if code:
        return code
    if event.say("responseElements", "ConsoleLogin") == "Failure":
        return "the sign-in failed"
    found = _LOG_ERROR.search(event.say("text")[:400])
    return f"{found[1]}: {found[2]}" if found else ""


def _statements_refused(bodies: Iterable[tuple[str, dict[str, Json]]]) -> dict[str, str]:
    """PostgreSQL writes a statement first and its error after it, from the same process."""
    open_now: dict[str, str] = {}
    refused: dict[str, str] = {}
    for pointer, body in bodies:
        event = Event("", "", body)
        process = _PROCESS.search(event.say("text")[:100])
        if process is None:
            continue
        if event.message.startswith(STATEMENT):
            open_now[process[1]] = pointer
        elif (error := _error(body)) and process[1] in open_now:
            refused[open_now.pop(process[1])] = error
    return refused


def strings_in(value: Json, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text and number in a JSON value with its pointer. No recursion: evidence is deep."""
    rest: list[tuple[str, Json]] = [(at, value)]
    while rest:
        pointer, item = rest.pop()
        if isinstance(item, str):
            yield pointer, item
        elif isinstance(item, dict | list):
            rest += reversed(list(_members(pointer, item)))
        elif item is not None and not isinstance(item, bool):
            yield pointer, str(item)
