"""Traces: what a step is about to end, as it goes on record before the step.

An entry of the log is whole or not there, so traces are cut until they fit into one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.tlog import canonical
from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.secrets.masking import mask_text

# An entry has at most 65,535 bytes, and holds the snapshot, too.
MOST_BYTES = 16_384
MOST_TEXT, MOST_NAME, MOST_DEPTH = 300, 60, 4
# What is searched for secrets; the rest is dropped unread.
MOST_READ = 4_096
# Executors name a few lists; very many names would fill the entry by themselves.
MOST_NAMES = 40
# By name, how many members did not fit.
LEFT_OUT = "left_out"


def kept(found: Mapping[str, Json]) -> dict[str, Json]:
    """Return traces as they go on record: secrets masked, texts cut, without what does not fit.

    The longest list loses its last members first; `left_out` counts them.
    """
    given = [(name, value) for name, value in found.items() if name != LEFT_OUT]
    clean = {_name(name): _clean(value, 0) for name, value in given[:MOST_NAMES]}
    unnamed = len(given) - MOST_NAMES
    lost: dict[str, Json] = {"others": unnamed} if unnamed > 0 else {}
    while len(canonical.encode({**clean, LEFT_OUT: lost})) > MOST_BYTES:
        name = max(clean, key=lambda each: len(canonical.encode(clean[each])))
        value = clean[name]
        gone = max(1, len(value) // 4) if isinstance(value, list) and value else 0
        lost[name] = int(str(lost.get(name, 0))) + (gone or 1)
        if gone and isinstance(value, list):
            clean[name] = value[:-gone]
        else:
            del clean[name]
    return {**clean, LEFT_OUT: lost} if lost else clean


def count(traces: Mapping[str, Json]) -> int:
    """Return how many members the lists of the traces have, with those that did not fit."""
    lost = traces.get(LEFT_OUT)
    more = sum(int(str(each)) for each in lost.values()) if isinstance(lost, dict) else 0
    return more + sum(len(each) for each in traces.values() if isinstance(each, list))


def _clean(value: Any, depth: int) -> Json:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and abs(value) <= canonical.MAX_INTEGER:
        return value
    if depth < MOST_DEPTH and isinstance(value, Mapping):
        return {_name(name): _clean(each, depth + 1) for name, each in value.items()}
    if depth < MOST_DEPTH and isinstance(value, list | tuple):
        return [_clean(each, depth + 1) for each in value]
    return _text(str(value))


def _text(value: str) -> str:
    """Mask before cutting: half a secret is not found any more."""
    return inert.noted(mask_text(value[:MOST_READ]), MOST_TEXT)


def _name(value: object) -> str:
    # Names of members are ASCII in canonical JSON.
    return inert.noted(_text(str(value)).encode("ascii", "backslashreplace").decode(), MOST_NAME)
