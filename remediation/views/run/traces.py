"""Show what was there just before a step ended it, as the worker recorded it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from audit.tlog import canonical
from audit.tlog.canonical import Json
from remediation.domain import traces
from remediation.views.cards.fields import format_recorded


@dataclass(frozen=True)
class TraceList:
    """One list of traces as a table; its cells are texts of the target."""

    name: str
    columns: tuple[str, ...]
    # The cells of each row with the name of their column, which narrow pages show beside each.
    rows_untrusted: tuple[tuple[tuple[str, str], ...], ...]
    left_out: int


@dataclass(frozen=True)
class TraceCard:
    """`digest` is of the recorded traces as canonical JSON; `missing`: why they were not read."""

    count: int = 0
    digest: str = ""
    lists: tuple[TraceList, ...] = ()
    facts_untrusted: tuple[tuple[str, str], ...] = ()
    missing_untrusted: str = ""


def trace_card(intended: Mapping[str, Json]) -> TraceCard | None:
    """Return the card for the record of a step's start; None if the step ends nothing."""
    missing, found = intended.get("traces_missing"), intended.get("traces")
    if missing:
        return TraceCard(missing_untrusted=str(missing))
    if not isinstance(found, dict) or not found:
        return None
    lost = found.get(traces.LEFT_OUT)
    lost = lost if isinstance(lost, dict) else {}
    kept = {name: value for name, value in found.items() if name != traces.LEFT_OUT}
    return TraceCard(
        count=traces.count(found),
        digest=sha256(canonical.encode(found)).hexdigest(),
        lists=tuple(
            _list(name, value, int(str(lost.get(name, 0))))
            for name, value in kept.items()
            if isinstance(value, list)
        ),
        facts_untrusted=tuple(
            (name, format_recorded(value))
            for name, value in kept.items()
            if not isinstance(value, list)
        ),
    )


def _list(name: str, members: list[Json], left_out: int) -> TraceList:
    rows = [one if isinstance(one, dict) else {name: one} for one in members]
    columns = tuple(dict.fromkeys(column for row in rows for column in row))
    return TraceList(
        name,
        columns,
        tuple(
            tuple((name, format_recorded(row[name]) if name in row else "") for name in columns)
            for row in rows
        ),
        left_out,
    )
