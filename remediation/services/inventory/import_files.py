"""Import files into the inventory: show what would change, then change exactly that.

`prepare` reads and compares; it writes nothing. `apply` repeats this under the inventory's lock,
refuses if the result differs from what was shown, and writes everything in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.db import connection, transaction

from audit.tlog.canonical import Json
from remediation.domain.errors import BadInput, StaleDigest, WouldLoosen
from remediation.domain.intake.changes import (
    DEPENDENCY,
    IDENTITY,
    SERVICE,
    Change,
    ChangeSet,
    Facts,
    Known,
    compare,
)
from remediation.domain.intake.place import Place
from remediation.domain.intake.reading import File, read, source
from remediation.domain.intake.stated import Options, Stated
from remediation.services.actors import Actor
from remediation.services.inventory import facts as inventory
from remediation.services.inventory import identity_kinds
from remediation.services.inventory.consumer_facts import ConsumerFacts
from remediation.services.inventory.facts import IdentityFacts, ServiceFacts
from remediation.services.inventory.import_rows import Import, write
from remediation.services.people import accounts


@dataclass(frozen=True)
class Prepared:
    """The changes that an import would make, and their digest."""

    changes: ChangeSet
    digest: str


def prepare(
    *, actor: Actor, format: str, files: Sequence[File], options: Options | None = None
) -> Prepared:
    """Return what these files would change; writes nothing.

    Raises NotEntitled, and BadInput with the file, the document or line, and the path.
    """
    accounts.require(actor, accounts.INVENTORY_EDITOR)
    options = options or Options()
    stated = _stated(format, files, options)
    return _prepared(stated, source(format, files, options), options)


def apply(
    *,
    actor: Actor,
    format: str,
    files: Sequence[File],
    options: Options | None = None,
    digest: str,
    loosen: bool = False,
) -> Prepared:
    """Make the changes that were shown under this digest.

    Writes nothing where nothing differs. Raises what `prepare` raises; StaleDigest when the files
    or the inventory have changed since; WouldLoosen when something would become less strict and
    ``loosen`` is not set.
    """
    options = options or Options()
    accounts.require(actor, accounts.INVENTORY_EDITOR)
    stated = _stated(format, files, options)
    origin = source(format, files, options)
    with transaction.atomic():
        inventory.begin(actor)
        _take_time()
        prepared = _prepared(stated, origin, options)
        if prepared.digest != digest:
            raise StaleDigest("this is not the change that was shown; look at it again")
        loosening = prepared.changes.loosening()
        if loosening and not loosen:
            first = ", ".join(change.name for change in loosening[:5])
            raise WouldLoosen(f"{len(loosening)} changes, among them {first}")
        # A crash before the commit leaves nothing.
        write(actor, Import(digest, format, len(files)), prepared.changes.changes)
    return prepared


def _stated(format: str, files: Sequence[File], options: Options) -> Stated:
    stated = read(format, files, options)
    _check_names(stated)
    return stated


def _prepared(stated: Stated, origin: Json, options: Options) -> Prepared:
    changes = compare(stated, known(), options)
    for change in changes.changes:
        _check(change)
    return Prepared(changes, changes.digest(origin))


def _take_time() -> None:
    """Allow a large import more time between two statements than a request may take."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")


# ---- the present inventory -----------------------------------------------------------------------

# All newest versions in one pass; a lateral join with one index look-up per object takes longer.
_NEWEST = """
SELECT o.{key}, v.* FROM remediation_{table} o
  LEFT JOIN (SELECT DISTINCT ON ({table}_id) {table}_id, {columns}
               FROM remediation_{table}version ORDER BY {table}_id, id DESC) v
    ON v.{table}_id = o.id
"""
_EDGES = """
SELECT s.name, coalesce(n.name, ''), coalesce(i.locator, ''), coalesce(v.present, false),
       coalesce(v.seen_as, ''), v.period_s, coalesce(v.takes_by, '')
  FROM remediation_dependency d
  JOIN remediation_service s ON s.id = d.source_id
  LEFT JOIN remediation_service n ON n.id = d.service_id
  LEFT JOIN remediation_identity i ON i.id = d.identity_id
  LEFT JOIN (SELECT DISTINCT ON (dependency_id) dependency_id, present, seen_as, period_s, takes_by
               FROM remediation_dependencyversion ORDER BY dependency_id, id DESC) v
    ON v.dependency_id = d.id
"""


def known() -> Known:
    """Return the inventory's newest versions."""
    return Known(
        services=dict(_newest("service", "name", tuple(ServiceFacts.__dataclass_fields__))),
        identities=dict(_newest("identity", "locator", tuple(IdentityFacts.__dataclass_fields__))),
        edges={(row[0], row[1], row[2]): _edge_facts(*row[2:]) for row in _rows(_EDGES)},
    )


def _edge_facts(
    identity: str, present: bool, seen_as: str, period_s: int | None, takes_by: str
) -> Facts:
    use: Facts = {"seen_as": seen_as, "period_s": period_s, "takes_by": takes_by}
    return {"present": present, **(use if identity else {})}


def _newest(
    table: str, key: str, columns: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, str | bool] | None]]:
    sql = _NEWEST.format(table=table, key=key, columns=", ".join(columns))
    for name, version, *values in _rows(sql):
        yield name, None if version is None else dict(zip(columns, values, strict=True))


def _rows(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


# ---- validation ----------------------------------------------------------------------------------


def _check_names(stated: Stated) -> None:
    """Refuse invalid names and locators before they are used in look-ups."""
    for name, (_, place) in stated.services.items():
        _placed(place, partial(inventory.check_name, name))
    for locator, (_, place) in stated.identities.items():
        kind = locator.partition(":")[0]
        _placed(place, partial(identity_kinds.check_locator, kind, locator))


def _check(change: Change) -> None:
    facts: Any = dict(change.after)
    if change.what == SERVICE:
        _placed(change.place, ServiceFacts(**facts).check)
    elif change.what == IDENTITY:
        _placed(change.place, IdentityFacts(**facts).check)
    elif change.what == DEPENDENCY and change.key[2]:
        facts.pop("present")
        _placed(change.place, ConsumerFacts(**facts).check)


def _placed(place: Place, check: Callable[[], None]) -> None:
    """Run a validation; add the place to its refusal."""
    try:
        check()
    except BadInput as refusal:
        raise place.refusal(refusal.detail or refusal.message, type(refusal)) from None
