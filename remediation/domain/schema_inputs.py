"""The inputs of a form, drawn from a JSON Schema of an action's parameters.

A third party's schema may hold more than a form can show; such a value is typed as JSON.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain.errors import BadInput, BadValue, MissingField, WrongType
from remediation.domain.strict import parse as parse_json

# A text that may be longer than this gets several lines.
ONE_LINE = 200
_WHOLE = re.compile(r"-?[0-9]{1,16}", re.ASCII)


class InputKind(StrEnum):
    """How a value is typed."""

    TEXT = "text"
    LONG = "long"  # several lines
    WHOLE = "whole"
    CHOICE = "choice"
    YES_NO = "yes_no"
    LINES = "lines"  # a list of texts, one a line
    JSON = "json"


@dataclass(frozen=True)
class Input:
    """One input. `least` and `most` bound a whole number, `longest` the characters of a text."""

    name: str
    kind: InputKind
    required: bool
    options: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None
    longest: int | None = None
    description: str = ""

    def read(self, typed: str) -> Json:
        """Return the value of what was typed. Raises MissingField, WrongType, BadValue."""
        typed = typed.replace("\r\n", "\n")
        if not typed.strip():
            raise MissingField(self.name)
        if self.kind is InputKind.WHOLE:
            return self._whole(typed.strip())
        if self.kind in (InputKind.CHOICE, InputKind.YES_NO):
            if typed not in self.choices:
                raise BadValue(f"not one of {', '.join(self.choices)}")
            return typed if self.kind is InputKind.CHOICE else typed == "yes"
        if self.kind is InputKind.LINES:
            return [line.strip() for line in typed.split("\n") if line.strip()]
        if self.kind is InputKind.JSON:
            return _json(typed)
        if self.longest is not None and len(typed) > self.longest:
            raise BadValue(f"longer than {self.longest} characters")
        return typed

    def show(self, value: Json) -> str:
        """Return a value as it would be typed."""
        if self.kind is InputKind.YES_NO:
            return "yes" if value else "no"
        if self.kind is InputKind.LINES and isinstance(value, list):
            return "\n".join(str(item) for item in value)
        if self.kind is InputKind.JSON:
            return encode(value).decode()
        return str(value)

    @property
    def choices(self) -> tuple[str, ...]:
        return ("yes", "no") if self.kind is InputKind.YES_NO else self.options

    def _whole(self, typed: str) -> int:
        if not _WHOLE.fullmatch(typed):
            raise WrongType("not a whole number")
        value = int(typed)
        if (self.least is not None and value < self.least) or (
            self.most is not None and value > self.most
        ):
            raise BadValue(f"not within {self.least} to {self.most}")
        return value


def inputs_of(schema: Mapping[str, Json]) -> tuple[Input, ...]:
    """Return one input for each property, in the schema's order."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, Mapping):
        return ()
    needed = required if isinstance(required, list | tuple) else ()
    return tuple(
        _input(name, each if isinstance(each, Mapping) else {}, name in needed)
        for name, each in properties.items()
    )


def _input(name: str, schema: Mapping[str, Json], required: bool) -> Input:
    described = schema.get("description")
    options = schema.get("enum")
    texts = isinstance(options, list | tuple) and all(isinstance(one, str) for one in options)
    return Input(
        name,
        InputKind.CHOICE if texts else _kind(schema, listed=options is not None),
        required,
        options=tuple(str(one) for one in options) if texts and options else (),  # type: ignore[union-attr]
        least=_bound(schema, "minimum"),
        most=_bound(schema, "maximum"),
        longest=_bound(schema, "maxLength"),
        description=described if isinstance(described, str) else "",
    )


def _kind(schema: Mapping[str, Json], *, listed: bool) -> InputKind:
    kind, items = schema.get("type"), schema.get("items")
    if listed:
        return InputKind.JSON
    if kind == "string":
        return InputKind.LONG if (_bound(schema, "maxLength") or 0) > ONE_LINE else InputKind.TEXT
    if kind == "integer":
        return InputKind.WHOLE
    if kind == "boolean":
        return InputKind.YES_NO
    if kind == "array" and isinstance(items, Mapping) and items.get("type") == "string":
        return InputKind.LINES
    return InputKind.JSON


def _bound(schema: Mapping[str, Json], name: str) -> int | None:
    value = schema.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _json(typed: str) -> Json:
    try:
        return parse_json(typed.encode(errors="surrogatepass"), max_bytes=32 * 1024)
    except BadInput as error:
        raise BadValue(f"not JSON: {error.message}") from None
