"""Take fields out of a parsed JSON value; refuse each mismatch by name and place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import TypeVar

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.errors import BadValue, MissingField, UnknownField, WrongType
from remediation.domain.strict import escape

T = TypeVar("T")

SHA256 = re.compile(r"[0-9a-f]{64}")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Fields:
    """An object with a closed list of keys. Every method returns one field or refuses it."""

    def __init__(
        self,
        value: Json,
        at: str = "",
        *,
        required: Collection[str],
        optional: Collection[str] = (),
    ) -> None:
        """Raises WrongType, UnknownField or MissingField; `at` is the object's JSON pointer."""
        if not isinstance(value, dict):
            raise WrongType("not an object", pointer=at)
        for key in value:
            if key not in required and key not in optional:
                raise UnknownField(repr(key[:100]), pointer=at)
        for key in required:
            if key not in value:
                raise MissingField(key, pointer=at)
        self._value = value
        self.pointer = at

    def __contains__(self, key: str) -> bool:
        return key in self._value

    def at(self, key: str) -> str:
        return f"{self.pointer}/{escape(key)}"

    def value(self, key: str) -> Json:
        return self._value[key]

    def text(self, key: str, most: int, *, least: int = 0) -> str:
        value = self._value[key]
        if not isinstance(value, str):
            raise WrongType("not text", pointer=self.at(key))
        if not least <= len(value) <= most:
            raise BadValue(f"needs {least} to {most} characters", pointer=self.at(key))
        return value

    def matching(self, key: str, pattern: re.Pattern[str], what: str) -> str:
        value = self.text(key, 1_000)
        if not pattern.fullmatch(value):
            raise BadValue(f"not {what}", pointer=self.at(key))
        return value

    def sha256(self, key: str) -> str:
        return self.matching(key, SHA256, "a SHA-256 in lower-case hex")

    def uuid(self, key: str) -> str:
        return self.matching(key, UUID, "a UUID in lower case")

    def one_of(self, key: str, allowed: Collection[str]) -> str:
        value = self.text(key, 200)
        if value not in allowed:
            raise BadValue(f"not one of {', '.join(allowed)}", pointer=self.at(key))
        return value

    def integer(self, key: str, least: int, most: int) -> int:
        value = self._value[key]
        if isinstance(value, bool) or not isinstance(value, int):
            raise WrongType("not an integer", pointer=self.at(key))
        if not least <= value <= most:
            raise BadValue(f"not within {least} to {most}", pointer=self.at(key))
        return value

    def boolean(self, key: str) -> bool:
        value = self._value[key]
        if not isinstance(value, bool):
            raise WrongType("not true or false", pointer=self.at(key))
        return value

    def instant(self, key: str) -> datetime:
        return instant.parse(self.text(key, 40), self.at(key))

    def mapping(self, key: str) -> dict[str, Json]:
        value = self._value[key]
        if not isinstance(value, dict):
            raise WrongType("not an object", pointer=self.at(key))
        return value

    def array(
        self, key: str, read: Callable[[Json, str], T], *, most: int, least: int = 0
    ) -> tuple[T, ...]:
        """Read a list of `least` to `most` items; calls `read` with each item and its pointer."""
        value = self._value[key]
        if not isinstance(value, list):
            raise WrongType("not a list", pointer=self.at(key))
        if not least <= len(value) <= most:
            raise BadValue(f"needs {least} to {most} items", pointer=self.at(key))
        return tuple(read(item, f"{self.at(key)}/{index}") for index, item in enumerate(value))

    def texts(self, key: str, *, most: int = 1_000, longest: int = 4_000) -> tuple[str, ...]:
        return self.array(key, lambda item, at: _text(item, at, longest), most=most)


def _text(value: Json, at: str, longest: int) -> str:
    if not isinstance(value, str):
        raise WrongType("not text", pointer=at)
    if len(value) > longest:
        raise BadValue(f"longer than {longest} characters", pointer=at)
    return value
