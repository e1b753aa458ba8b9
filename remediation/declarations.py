"""Write the declarations that SQL guards read into tables: edges, locators of kinds, writers.

Three tables of hitl_owner hold them (`sql/states.sql`, `sql/proposals.sql`, and in the audit app
`sql/writer.sql`), so that a third party's kind of target needs no migration. Every `migrate` fills
them as hitl_owner, in one transaction: a crash leaves them unchanged. `check --deploy` reports a
difference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.states import EDGES, FINAL, INCIDENT_EDGES, Login
from remediation.domain.writers import WRITERS


@dataclass(frozen=True)
class Declarations:
    """Rows of the tables: (subject, from, to, login), (kind, locator), and (login, action)."""

    edges: frozenset[tuple[str, str, str, str]]
    kinds: frozenset[tuple[str, str]]
    authors: frozenset[tuple[str, str]]


def declared() -> Declarations:
    """Return what the code declares; of kinds, only those that an action works on."""
    return Declarations(
        edges=_edges("proposal", EDGES) | _edges("incident", INCIDENT_EDGES),
        kinds=frozenset(
            (spec.target_kind, TARGETS[spec.target_kind].locator) for spec in ACTIONS.values()
        ),
        authors=frozenset(
            (login, action) for login, actions in WRITERS.items() for action in actions
        ),
    )


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
        cursor.execute("SELECT kind, locator FROM remediation.target_kind")
        kinds = frozenset(cursor.fetchall())
        cursor.execute("SELECT login, action FROM audit.author")
        return Declarations(edges, kinds, frozenset(cursor.fetchall()))


def fill(using: str, **_: object) -> None:
    """Make the tables hold exactly the declarations; a receiver of post_migrate.

    Raises ImproperlyConfigured when a kind is declared with another locator than before, or is not
    declared any more while a proposal on its targets has not ended.
    """
    database = connections[using]
    with transaction.atomic(using=using):
        if not _exist(database):
            return
        should, has = declared(), recorded(database)
        if should == has:
            return
        _refuse_repointing(dict(should.kinds), dict(has.kinds))
        _refuse_forgetting(database, {kind for kind, _ in has.kinds - should.kinds})
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
                "DELETE FROM remediation.target_kind WHERE (kind, locator) = (%s, %s)",
                sorted(has.kinds - should.kinds),
            )
            cursor.executemany(
                "INSERT INTO remediation.target_kind (kind, locator) VALUES (%s, %s)",
                sorted(should.kinds - has.kinds),
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
    """Say whether the tables exist: not before their migration ran, nor after it was reversed."""
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass('remediation.target_kind') IS NOT NULL"
            " AND to_regclass('audit.author') IS NOT NULL"
        )
        return bool(cursor.fetchone()[0])


def _refuse_repointing(should: Mapping[str, str], has: Mapping[str, str]) -> None:
    """Refuse a changed locator: leases under the old one would not exclude runs under the new."""
    for kind in sorted(should.keys() & has.keys()):
        if should[kind] != has[kind]:
            raise ImproperlyConfigured(
                f"kind {kind} is declared with locator {should[kind]!r}, the database holds"
                f" {has[kind]!r}: give the new form a kind of its own"
            )


def _refuse_forgetting(database: BaseDatabaseWrapper, kinds: Collection[str]) -> None:
    """A kind stays as long as a run may hold a lease on its targets: else a `migrate` without its
    package, and one with another form of it, would point it elsewhere in two steps."""
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
