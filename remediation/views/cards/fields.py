"""Names with their values, as the cards list them, and JSON values as text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from audit.tlog.canonical import Json


@dataclass(frozen=True)
class Field:
    """A name and its value, both shown whole; ``pinned`` fields are compared before the effect."""

    name: str
    value: str
    pinned: bool = False
    after: str = ""  # what the action makes of it; empty when it stays as it is


def format_json(value: Json) -> str:
    """A value as its canonical bytes show it: one line, keys sorted, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def format_canonical(value: Json) -> str:
    """Text as it is, every other value as `format_json`."""
    return value if isinstance(value, str) else format_json(value)


def format_recorded(value: Json) -> str:
    """Text as it is, every other value as JSON in the order of its record."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
