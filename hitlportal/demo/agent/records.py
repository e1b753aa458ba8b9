"""A CloudTrail record, unchanged, and its position in a file.

The shape of a record: AWS CloudTrail User Guide, "CloudTrail record contents".
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Key = str | int

# Lambda's event names end in the API date and a version: AddPermission20150331v2.
API_DATE = re.compile(r"\d{8}(v\d+)?$")


@dataclass(frozen=True)
class Source:
    """A file that was read: its name, the digest of its bytes, its number of entries."""

    name: str
    sha256: str
    entries: int


def find(body: Json, path: Sequence[Key]) -> tuple[tuple[Key, ...], Json] | None:
    """Return the value at ``path`` and the path as spelled in the record; None if absent.

    Names match exactly, else case-insensitively: exporters change ``accessKeyId``.
    """
    taken: list[Key] = []
    for key in path:
        if isinstance(body, dict) and isinstance(key, str):
            spelled = key if key in body else _spelled(body, key)
            if spelled is None:
                return None
            body, key = body[spelled], spelled
        elif isinstance(body, list) and isinstance(key, int) and key < len(body):
            body = body[key]
        else:
            return None
        taken.append(key)
    return tuple(taken), body


def _spelled(body: Mapping[str, Json], key: str) -> str | None:
    return next((name for name in body if name.lower() == key.lower()), None)


@dataclass(frozen=True)
class Record:
    """One CloudTrail record, unchanged, with its position in a file."""

    source: Source
    position: int
    body: dict[str, Json]

    def value(self, *path: Key) -> Json:
        """Return the value at ``path``, None if absent."""
        found = find(self.body, path)
        return found[1] if found else None

    def text(self, *path: Key) -> str:
        """Return the string at ``path``, "" if absent."""
        value = self.value(*path)
        return value if isinstance(value, str) else ""

    @cached_property
    def time(self) -> datetime:
        """The time of the call according to AWS (UTC); records without a time sort first."""
        try:
            return datetime.fromisoformat(self.text("eventTime")).astimezone(UTC)
        except ValueError:
            return datetime.min.replace(tzinfo=UTC)

    @cached_property
    def service(self) -> str:
        """`iam` of ``iam.amazonaws.com``."""
        return self.text("eventSource").partition(".")[0]

    @cached_property
    def event(self) -> str:
        """The API's name without the date suffix that Lambda appends."""
        return API_DATE.sub("", self.text("eventName"))

    @property
    def call(self) -> str:
        """`iam:CreateUser`, the key that the rules are written in."""
        return f"{self.service}:{self.event}"

    @property
    def address(self) -> str:
        """The caller's address, as AWS saw it."""
        return self.text("sourceIPAddress")

    @property
    def failed(self) -> bool:
        """Whether the call was refused or failed."""
        sign_in = self.text("responseElements", "ConsoleLogin")
        return bool(self.text("errorCode")) or sign_in == "Failure"

    @cached_property
    def digest(self) -> str:
        """The same record delivered twice has the same digest."""
        return hashlib.sha256(canonical(self.body)).hexdigest()


def canonical(value: object) -> bytes:
    """Return canonical JSON bytes: ASCII, sorted keys, no blanks.

    ASCII, because a record may contain a lone surrogate, which UTF-8 cannot encode, and because
    hidden characters become visible. Raises ValueError or TypeError for values outside JSON.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()
