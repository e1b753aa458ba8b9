"""JSON values as text for a page."""

from __future__ import annotations

import json

from audit.tlog.canonical import Json


def format_json(value: Json) -> str:
    """A value as its canonical bytes show it: one line, keys sorted, no spaces."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def format_canonical(value: Json) -> str:
    """Text as it is, every other value as `format_json`."""
    return value if isinstance(value, str) else format_json(value)


def format_recorded(value: Json) -> str:
    """Text as it is, every other value as JSON in the order of its record."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
