"""Names with values as the cards list them; JSON values as text."""

from __future__ import annotations

import json
from dataclasses import dataclass

from audit.tlog.canonical import Json


@dataclass(frozen=True)
class Field:
    """A name and its value; the worker compares ``pinned`` fields again before the step."""

    name: str
    value: str
    pinned: bool = False
    after: str = ""  # the value after the action; empty when it does not change


def format_json(value: Json) -> str:
    """Format a value as in its canonical bytes: one line, keys sorted, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def format_canonical(value: Json) -> str:
    """Return text as it is, every other value as `format_json` does."""
    return value if isinstance(value, str) else format_json(value)


def format_recorded(value: Json) -> str:
    """Return text as it is, every other value as JSON with its keys in recorded order."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
