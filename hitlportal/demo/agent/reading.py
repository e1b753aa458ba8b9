"""Read CloudTrail records from files: JSON with ``Records``, arrays, JSON Lines, YAML scenarios.

In: paths. Out: the records, each once and in order of time. Other content (another log type, a
label file) is skipped.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hitlportal.demo.agent.records import Json, Record, Source, canonical

SUFFIXES = frozenset({".json", ".jsonl", ".ndjson", ".yml", ".yaml"})
# CloudTrail delivers files of a few MiB; this limits the memory for one file.
MAX_SOURCE_BYTES = 64 * 1024 * 1024


class NotReadable(Exception):
    """The file is too large or is neither JSON, JSON Lines nor YAML."""


def expand(paths: Iterable[Path]) -> Iterator[Path]:
    """Return the given files; for a directory all files with a known suffix, sorted."""
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES and p.is_file())
        else:
            yield path


@dataclass(frozen=True)
class Reading:
    """The records, and messages about unreadable files: one bad file must not stop the agent."""

    records: list[Record]
    problems: list[str]


def read(paths: Iterable[Path]) -> Reading:
    """Read all CloudTrail records of the files, each once, in order of time."""
    seen: dict[str, Record] = {}
    problems = []
    for path in expand(paths):
        try:
            records = parse(path.name, _bytes(path))
        except (NotReadable, OSError) as error:
            problems.append(str(error))
            continue
        for record in records:
            seen.setdefault(record.digest, record)
    ordered = sorted(seen.values(), key=lambda r: (r.time, r.source.name, r.position))
    return Reading(ordered, problems)


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        raw = file.read(MAX_SOURCE_BYTES + 1)
    if len(raw) > MAX_SOURCE_BYTES:
        raise NotReadable(f"{path.name}: more than {MAX_SOURCE_BYTES} bytes")
    return raw


def parse(name: str, raw: bytes) -> list[Record]:
    """Parse the CloudTrail records in ``raw``; ``name`` decides only between YAML and JSON."""
    try:
        text = raw.decode("utf-8")
        values = _yaml(text) if name.endswith((".yml", ".yaml")) else _json(text)
        entries = _entries(values)
        source = Source(name, hashlib.sha256(raw).hexdigest(), len(entries))
        return [
            Record(source, position, entry)
            for position, entry in enumerate(entries)
            if isinstance(entry, dict) and is_cloudtrail(entry) and canonical(entry)
        ]
    except (ValueError, TypeError, RecursionError) as error:
        raise NotReadable(f"{name}: {error}") from error


def _json(text: str) -> Json:
    try:
        return _value(text)
    except json.JSONDecodeError:
        return [_value(line) for line in text.split("\n") if line.strip()]


def _value(text: str) -> Json:
    """Parse one JSON value; numbers out of a float's range stay text."""
    value: Json = json.loads(text, parse_float=_finite, parse_constant=str)
    return value


def _finite(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


def _yaml(text: str) -> Json:
    import yaml  # only scenarios are YAML, never CloudTrail's own files

    class Loader(yaml.SafeLoader):
        """A YAML loader that keeps times as text, as in JSON."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        value: Json = yaml.load(text, Loader)  # noqa: S506 - a subclass of SafeLoader
        return value
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error


def _entries(value: Json) -> list[Json]:
    """Return the list of records in a file's value, for each kind of file."""
    if isinstance(value, dict):
        for name in ("Records", "Logs"):
            inner = value.get(name)
            if isinstance(inner, list):
                return inner
        return [value]
    return value if isinstance(value, list) else []


def is_cloudtrail(entry: Mapping[str, Json]) -> bool:
    """Return whether a value has the four members of every CloudTrail record."""
    named = all(isinstance(entry.get(k), str) for k in ("eventSource", "eventName", "eventTime"))
    return named and isinstance(entry.get("userIdentity"), dict)
