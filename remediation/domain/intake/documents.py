"""Parse untrusted YAML with limits (docs/attacks.md A63).

Works on the parser's events without recursion. Creates no objects from tags, refuses repeated keys,
and counts the expanded size of aliases before it expands them (billion laughs). Every plain scalar
stays text, so that no version of YAML turns a team called ``no`` into a boolean.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import yaml

from remediation.domain.errors import (
    BadInput,
    DuplicateKey,
    MalformedFile,
    TooDeep,
    TooLarge,
    TooManyKeys,
    WrongType,
)
from remediation.domain.intake.place import Place

MAX_FILE = 64 * 1024 * 1024
MAX_DEPTH = 64
# For one document with expanded aliases; a list of all objects of a large cluster has a million.
MAX_NODES = 2_000_000
MAX_DOCUMENTS = 100_000

# Text, or a container of text; None is a null.
Value: TypeAlias = "str | list[Any] | dict[str, Any] | None"
_Frame: TypeAlias = "_Mapping | _Sequence"

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_CORE = "tag:yaml.org,2002:"
_TAGS = frozenset(
    {None, "!"} | {_CORE + name for name in ("str", "int", "float", "bool", "null", "map", "seq")}
)
# The C parser if it is available; the events are the same.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass
class _Sequence:
    anchor: str | None
    value: list[Any] = field(default_factory=list)
    weight: int = 1

    def add(self, value: Value, weight: int, place: Place) -> None:
        self.value.append(value)
        self.weight += weight

    def finished(self, place: Place) -> Value:
        return self.value


@dataclass
class _Mapping:
    anchor: str | None
    value: dict[str, Any] = field(default_factory=dict)
    weight: int = 1
    key: str | None = None
    merged: list[Value] = field(default_factory=list)

    def add(self, value: Value, weight: int, place: Place) -> None:
        self.weight += weight
        if self.key is None:
            if not isinstance(value, str):
                raise place.refusal("a key is not text", WrongType)
            self.key = value
            return
        if self.key == "<<":
            self.merged.append(value)
        elif self.key in self.value:
            raise place.refusal(f"the key {self.key!r} occurs twice", DuplicateKey)
        else:
            self.value[self.key] = value
        self.key = None

    def finished(self, place: Place) -> Value:
        for value in self.merged:
            for one in value if isinstance(value, list) else [value]:
                if not isinstance(one, dict):
                    raise place.refusal("<< takes a mapping", WrongType)
                for key, inner in one.items():
                    self.value.setdefault(key, inner)
        return self.value


class _Document:
    """The state of one document while its events arrive."""

    def __init__(self, place: Place) -> None:
        self.place = self._here = place
        self.value: Value = None
        self._open: list[_Frame] = []
        self._anchors: dict[str, tuple[Value, int]] = {}
        self._nodes = 0

    def take(self, event: Any) -> None:
        """Process the next event. Raises the errors of `documents`."""
        line = event.start_mark.line + 1
        self._here = replace(self.place, part=f"{self.place.part}, line {line}")
        if isinstance(event, yaml.ScalarEvent):
            self._check_tag(event)
            self._put(_scalar(event), 1, event.anchor)
        elif isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise self._here.refusal(f"*{event.anchor} stands for nothing", MalformedFile)
            self._put(*self._anchors[event.anchor], None)
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self._check_tag(event)
            if len(self._open) >= MAX_DEPTH:
                raise self._here.refusal(f"deeper than {MAX_DEPTH} levels", TooDeep)
            mapping = isinstance(event, yaml.MappingStartEvent)
            self._open.append(_Mapping(event.anchor) if mapping else _Sequence(event.anchor))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            done = self._open.pop()
            self._put(done.finished(self._here), done.weight, done.anchor, counted=True)

    def _put(self, value: Value, weight: int, anchor: str | None, counted: bool = False) -> None:
        self._nodes += 1 if counted else weight
        if self._nodes > MAX_NODES or weight > MAX_NODES:
            raise self._here.refusal(f"more than {MAX_NODES:,} nodes", TooManyKeys)
        if anchor is not None:
            self._anchors[anchor] = (value, weight)
        if self._open:
            self._open[-1].add(value, weight, self._here)
        else:
            self.value = value

    def _check_tag(self, event: Any) -> None:
        if event.tag not in _TAGS:
            raise self._here.refusal(f"the tag {event.tag} is not taken", MalformedFile)


def documents(text: str, file: str) -> Iterator[tuple[Place, Value]]:
    """Yield the documents of a file with their places, without empty ones.

    Raises MalformedFile (with the line), DuplicateKey, TooDeep, TooManyKeys, WrongType.
    """
    number, current = 0, _Document(Place(file))
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            if isinstance(event, yaml.DocumentStartEvent):
                number += 1
                if number > MAX_DOCUMENTS:
                    raise Place(file).refusal(f"more than {MAX_DOCUMENTS:,} documents", TooManyKeys)
                current = _Document(Place(file, f"document {number}"))
            elif isinstance(event, yaml.DocumentEndEvent):
                if current.value is not None:
                    yield current.place, current.value
            else:
                current.take(event)
    except yaml.YAMLError as problem:
        raise _malformed(problem, current.place) from None


def decoded(content: bytes, file: str) -> str:
    """Decode a file. Raises TooLarge or MalformedFile."""
    if len(content) > MAX_FILE:
        raise Place(file).refusal(f"more than {MAX_FILE // 2**20} MiB", TooLarge)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise Place(file).refusal(f"byte {problem.start} is not UTF-8", MalformedFile) from None


def _scalar(event: Any) -> Value:
    plain = event.implicit[0] and event.style in (None, "")
    null = (plain and event.value in _NULLS) or event.tag == f"{_CORE}null"
    return None if null else str(event.value)


def _malformed(problem: yaml.YAMLError, place: Place) -> BadInput:
    mark = getattr(problem, "problem_mark", None)
    what = getattr(problem, "problem", None) or getattr(problem, "reason", None) or "not YAML"
    line = f"line {mark.line + 1}" if mark is not None else place.part
    return Place(place.file, line).refusal(f"this is not YAML: {what}", MalformedFile)
