"""Write the rows of an import in bulk, each with an audit entry that holds the same change.

An entry of the log has at most 65,535 bytes, and the guard reads it once for every row that
refers to it. So the changes of an import are spread over entries of a few kilobytes. Each change
is in one of them completely; each entry names the import by the digest that was confirmed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from audit import log
from audit.tlog.canonical import Json
from remediation.domain.events import Event
from remediation.domain.intake.changes import DEPENDENCY, IDENTITY, SERVICE, Change
from remediation.models import (
    Dependency,
    DependencyVersion,
    Identity,
    IdentityVersion,
    Service,
    ServiceVersion,
)
from remediation.models.base import Fact
from remediation.services.actors import Actor, ProcessActor

# The guard parses an entry once per row: larger entries cost time, smaller ones space.
ENTRY_BYTES = 3_000
BATCH = 2_000
M = TypeVar("M", bound=Fact)
Ends: TypeAlias = "tuple[int, int | None, int | None]"


@dataclass(frozen=True)
class Import:
    """The import that the rows belong to."""

    digest: str
    format: str
    files: int


@dataclass(frozen=True)
class _Recorded:
    change: Change
    entry: int


def write(actor: Actor, what: Import, changes: Sequence[Change]) -> None:
    """Write entries, then objects, then versions, in the caller's transaction."""
    recorded = list(_record(actor, what, changes))
    services = _of(recorded, SERVICE)
    identities = _of(recorded, IDENTITY)
    # An object may exist without a version.
    service_ids, identity_ids = _services(), _identities()
    _insert(
        Service(name=one.change.name, entry=one.entry)
        for one in services
        if one.change.name not in service_ids
    )
    _insert(_identity(one) for one in identities if one.change.name not in identity_ids)
    service_ids, identity_ids = _services(), _identities()
    _insert(_version(ServiceVersion, actor, one, service_ids[one.change.name]) for one in services)
    _insert(
        _version(IdentityVersion, actor, one, identity_ids[one.change.name]) for one in identities
    )
    _dependencies(actor, _of(recorded, DEPENDENCY), service_ids, identity_ids)


def _record(actor: Actor, what: Import, changes: Sequence[Change]) -> Iterator[_Recorded]:
    parts = list(_parts(changes))
    operator = isinstance(actor, ProcessActor)
    event = Event.OPERATOR_INVENTORY_IMPORTED if operator else Event.PERSON_INVENTORY_IMPORTED
    for number, part in enumerate(parts, start=1):
        changed: list[Json] = [change.to_json() for change in part]
        data: dict[str, Json] = {
            "format": what.format,
            "files": what.files,
            "part": number,
            "parts": len(parts),
            "changes": changed,
        }
        # The digest identifies the import.
        entry = log.append(
            action=event, actor=actor.ref, object=f"import:{what.digest}", data=data
        ).id
        for change in part:
            yield _Recorded(change, entry)


def _parts(changes: Sequence[Change]) -> Iterator[list[Change]]:
    """Split the changes into parts that fit into an entry."""
    part: list[Change] = []
    size = 0
    for change in changes:
        length = len(json.dumps(change.to_json(), ensure_ascii=False).encode())
        if part and size + length > ENTRY_BYTES:
            yield part
            part, size = [], 0
        part.append(change)
        size += length
    if part:
        yield part


def _dependencies(
    actor: Actor,
    edges: list[_Recorded],
    service_ids: dict[str, int],
    identity_ids: dict[str, int],
) -> None:
    def ends(change: Change) -> Ends:
        source, service, identity = change.key
        return service_ids[source], service_ids.get(service), identity_ids.get(identity)

    def made(one: _Recorded) -> Dependency:
        source, service, identity = ends(one.change)
        return Dependency(
            source_id=source, service_id=service, identity_id=identity, entry=one.entry
        )

    _insert(made(one) for one in edges if one.change.before is None)
    known: dict[Ends, int] = {
        (source, service, identity): pk
        for pk, source, service, identity in Dependency.objects.values_list(
            "pk", "source_id", "service_id", "identity_id"
        ).iterator()
    }
    _insert(_version(DependencyVersion, actor, one, known[ends(one.change)]) for one in edges)


def _services() -> dict[str, int]:
    return dict(Service.objects.values_list("name", "pk"))


def _identities() -> dict[str, int]:
    return dict(Identity.objects.values_list("locator", "pk"))


def _identity(one: _Recorded) -> Identity:
    locator = one.change.name
    return Identity(locator=locator, kind=locator.partition(":")[0], entry=one.entry)


def _version(model: type[M], actor: Actor, one: _Recorded, pk: int) -> M:
    link = model.__name__.removesuffix("Version").lower()
    values: dict[str, Any] = {f"{link}_id": pk, **one.change.after}
    return model(author=actor.ref, entry=one.entry, **values)


def _of(recorded: list[_Recorded], what: str) -> list[_Recorded]:
    return [one for one in recorded if one.change.what == what]


def _insert(rows: Iterator[M]) -> None:
    """Insert the rows in batches, so that no statement gets too long."""
    while batch := [row for _, row in zip(range(BATCH), rows, strict=False)]:
        type(batch[0])._default_manager.bulk_create(batch)
