"""Format a change set as plain text for the person who confirms it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from remediation.domain.inert import visible
from remediation.domain.intake.changes import (
    DEPENDENCY,
    IDENTITY,
    SERVICE,
    Change,
    ChangeSet,
    Value,
)

_TITLES = {SERVICE: "services", IDENTITY: "identities", DEPENDENCY: "dependencies"}
_ONE = {SERVICE: "service", IDENTITY: "identity", DEPENDENCY: "dependency"}


def lines(found: ChangeSet, *, most: int | None = 20) -> Iterator[str]:
    """Yield all changes of existing objects, and at most `most` lines of each other kind.

    `most` None means all.
    """
    yield from _section("Less strict than before", [_changed(c) for c in found.loosening()], None)
    others = [change for change in found.changed() if not change.loosens]
    yield from _section("Changed", [_changed(change) for change in others], None)
    for what, title in _TITLES.items():
        yield from _section(f"New {title}", [_added(c) for c in found.added(what)], most)
    for title, rows in notes(found):
        yield from _section(title, rows, most)
    yield summary(found)


def notes(found: ChangeSet) -> list[tuple[str, Sequence[str]]]:
    """Return notes, as (title, inert lines), about what the import does not change."""
    told = [
        ("Without an owner", found.unowned),
        ("New owner teams", found.unknown_teams),
        ("In the inventory, not in these files", found.missing_services),
        ("Dependencies in the inventory, not in these files", found.missing_edges),
        ("Dependencies on something unknown, not imported", found.unresolved),
        ("Not imported", found.remarks),
    ]
    return [(title, [visible(row) for row in rows]) for title, rows in told]


def summary(found: ChangeSet) -> str:
    if not found.changes:
        return f"Nothing to do: {found.unchanged:,} objects match the files."
    counts = {what: len(found.added(what)) for what in _TITLES}
    added = ", ".join(
        f"{count:,} {(_ONE if count == 1 else _TITLES)[what]}" for what, count in counts.items()
    )
    return (
        f"New: {added}. Changed: {len(found.changed()):,}, of these less strict:"
        f" {len(found.loosening()):,}. Unchanged: {found.unchanged:,}."
    )


def word(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value} s" if isinstance(value, int) else value or "(none)"


def named(name: str) -> str:
    return name.removesuffix("_s").replace("_", " ")


def _changed(change: Change) -> str:
    parts = (
        f"{named(name)} {word(before)} -> {word(after)}{' (looser)' * (name in change.loosens)}"
        for name, before, after in change.differing
    )
    return f"~ {change.name}: {'; '.join(parts)}   [{change.place}]"


def _added(change: Change) -> str:
    values = change.after.items()
    said = [f"{named(name)} {word(value)}" for name, value in values if value not in ("", None)]
    if change.what == DEPENDENCY:
        return f"+ {': '.join((change.name, ', '.join(said[1:]))) if said[1:] else change.name}"
    assumed = ", ".join(named(name) for name in change.assumed)
    tail = f"   (no file says: {assumed})" if assumed else ""
    return f"+ {change.name}: {', '.join(said)}{tail}"


def _section(title: str, rows: Iterable[str], most: int | None) -> Iterator[str]:
    rows = list(rows)
    if not rows:
        return
    yield f"{title} ({len(rows):,})"
    for row in rows[:most]:
        yield f"  {row}"
    if most is not None and len(rows) > most:
        yield f"  … and {len(rows) - most:,} more (--all lists them)"
    yield ""
