"""Write the declarations that SQL guards read into tables: edges, locators of kinds, writers.

Three tables of hitl_owner hold them (`sql/states.sql`, `sql/proposals.sql`, and in the audit app
`sql/writer.sql`), so that a third party's kind of target needs no migration. Every `migrate` fills
them as hitl_owner, in one transaction: a crash leaves them unchanged. `check --deploy` reports a
difference.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from remediation.domain.catalogue import ACTIONS, TARGETS, TargetSpec
from remediation.domain.states import EDGES, FINAL, INCIDENT_EDGES, Login
from remediation.domain.writers import WRITERS

_FIELD = re.compile(r"\{([a-z0-9_]+)\}")
# The escaped fields are sorted.
Kind = tuple[str, str, tuple[str, ...]]


@dataclass(frozen=True)
class Declarations:
    """Rows of the tables: (subject, from, to, login), (kind, locator, escaped fields), and (login,
    action)."""

    edges: frozenset[tuple[str, str, str, str]]
    kinds: frozenset[Kind]
    authors: frozenset[tuple[str, str]]


def declared() -> Declarations:
    """Return what the code declares; of kinds, only those that an action works on."""
    return Declarations(
        edges=_edges("proposal", EDGES) | _edges("incident", INCIDENT_EDGES),
        kinds=frozenset(_kind(TARGETS[spec.target_kind]) for spec in ACTIONS.values()),
        authors=frozenset(
            (login, action) for login, actions in WRITERS.items() for action in actions
        ),
    )


def _kind(spec: TargetSpec) -> Kind:
    return (spec.kind, spec.locator, tuple(sorted(spec.escaped)))


def _edges(
    subject: str, edges: Mapping[tuple[Any, Any], frozenset[Login]]
) -> frozenset[tuple[str, str, str, str]]:
    return frozenset(
        (subject, str(old), str(new), str(login))
        for (old, new), logins in edges.items()
        for login in logins
    )


def recorded(database: BaseDatabaseWrapper) -> Declarations:
    """Return what the database holds. Raises django.db.Error, also when a table is missing."""
    with database.cursor() as cursor:
        cursor.execute("SELECT subject, from_state, to_state, login FROM remediation.edge")
        edges = frozenset(cursor.fetchall())
        cursor.execute("SELECT kind, locator, escaped FROM remediation.target_kind")
        kinds = ((kind, locator, tuple(escaped)) for kind, locator, escaped in cursor.fetchall())
        kinds_ = frozenset(kinds)
        cursor.execute("SELECT login, action FROM audit.author")
        return Declarations(edges, kinds_, frozenset(cursor.fetchall()))


def fill(using: str, **_: object) -> None:
    """Make the tables hold exactly the declarations; a receiver of post_migrate.

    Raises ImproperlyConfigured when a kind is declared with another locator than before, makes
    other locators than recorded ones, or is not declared any more while a proposal on its targets
    has not ended.
    """
    database = connections[using]
    with transaction.atomic(using=using):
        if not _exist(database):
            return
        should, has = declared(), recorded(database)
        if should == has:
            return
        _refuse_repointing(should.kinds, has.kinds)
        _refuse_other_locators(database, should.kinds, has.kinds)
        _refuse_forgetting(database, {row[0] for row in has.kinds - should.kinds}, should.kinds)
        with database.cursor() as cursor:
            cursor.executemany(
                "DELETE FROM remediation.edge WHERE (subject, from_state, to_state, login)"
                " = (%s, %s, %s, %s)",
                sorted(has.edges - should.edges),
            )
            cursor.executemany(
                "INSERT INTO remediation.edge (subject, from_state, to_state, login)"
                " VALUES (%s, %s, %s, %s)",
                sorted(should.edges - has.edges),
            )
            cursor.executemany(
                "DELETE FROM remediation.target_kind WHERE kind = %s",
                [(kind,) for kind, _, _ in sorted(has.kinds - should.kinds)],
            )
            cursor.executemany(
                "INSERT INTO remediation.target_kind (kind, locator, escaped) VALUES (%s, %s, %s)",
                [
                    (kind, form, list(names))
                    for kind, form, names in sorted(should.kinds - has.kinds)
                ],
            )
            cursor.executemany(
                "DELETE FROM audit.author WHERE (login, action) = (%s, %s)",
                sorted(has.authors - should.authors),
            )
            cursor.executemany(
                "INSERT INTO audit.author (login, action) VALUES (%s, %s)",
                sorted(should.authors - has.authors),
            )


def _exist(database: BaseDatabaseWrapper) -> bool:
    """Say whether the tables have their form: not before the last migration of them ran, nor after
    it was reversed."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attname = 'escaped'"
            " AND attrelid = to_regclass('remediation.target_kind') AND NOT attisdropped)"
            " AND to_regclass('audit.author') IS NOT NULL"
        )
        return bool(cursor.fetchone()[0])


def _refuse_repointing(should: Collection[Kind], has: Collection[Kind]) -> None:
    """Refuse a changed locator: leases under the old one would not exclude runs under the new."""
    declared_now = {kind: (form, names) for kind, form, names in should}
    for kind, form, names in sorted(has):
        new, escaped = declared_now.get(kind, (form, names))
        if new != form:
            raise ImproperlyConfigured(
                f"kind {kind} is declared with locator {new!r}, the database holds"
                f" {form!r}: give the new form a kind of its own"
            )
        lost = sorted(set(names) - set(escaped))
        if lost:
            raise ImproperlyConfigured(
                f"kind {kind} does not escape {', '.join(lost)} any more, which the database"
                " does: give the new form a kind of its own"
            )


def _refuse_other_locators(
    database: BaseDatabaseWrapper, should: Collection[Kind], has: Collection[Kind]
) -> None:
    """A field may become an escaped one only if every recorded locator of the kind stays the same:
    its value there consists of characters that are not escaped."""
    before = {kind: names for kind, _, names in has}
    with database.cursor() as cursor:
        for kind, form, names in sorted(should):
            new = set(names) - set(before.get(kind, names))
            if not new:
                continue
            pattern = _pattern(form, new)
            # No proposal comes in between this look and the commit; after it the guard refuses one.
            cursor.execute("LOCK TABLE public.remediation_proposaltarget IN SHARE MODE")
            cursor.execute(
                "SELECT locator FROM public.remediation_proposaltarget"
                " WHERE starts_with(locator, %s) AND locator !~ %s LIMIT 1",
                [f"{kind}:", pattern],
            )
            other = cursor.fetchone()
            if other is not None:
                raise ImproperlyConfigured(
                    f"kind {kind} would escape {', '.join(sorted(new))}, which gives {other[0]!r}"
                    " another locator: give the new form a kind of its own"
                )


def _pattern(form: str, escaped: Collection[str]) -> str:
    """Return a pattern of locators in which these fields have nothing to escape."""
    parts = ("[A-Za-z0-9_$.-]+" if name in escaped else "[^/]+" for name in _FIELD.findall(form))
    return "^" + re.escape(form.partition(":")[0]) + ":" + "/".join(parts) + "$"


def _refuse_forgetting(
    database: BaseDatabaseWrapper, gone: Collection[str], should: Collection[Kind]
) -> None:
    """A kind stays as long as a run may hold a lease on its targets: else a `migrate` without its
    package, and one with another form of it, would point it elsewhere in two steps."""
    kinds = set(gone) - {kind for kind, _, _ in should}
    if not kinds:
        return
    with database.cursor() as cursor:
        # No proposal comes in between this look and the commit; after it the guard refuses one.
        cursor.execute("LOCK TABLE public.remediation_proposaltarget IN SHARE MODE")
        for kind in sorted(kinds):
            cursor.execute(
                "SELECT t.proposal_id FROM public.remediation_proposaltarget t"
                " JOIN public.remediation_proposal p ON p.id = t.proposal_id"
                " WHERE starts_with(t.locator, %s) AND p.state <> ALL (%s) LIMIT 1",
                [f"{kind}:", sorted(FINAL)],
            )
            alive = cursor.fetchone()
            if alive is not None:
                raise ImproperlyConfigured(
                    f"kind {kind} is not declared any more, and proposal {alive[0]} on a target of"
                    " it has not ended: is its package missing here?"
                )
