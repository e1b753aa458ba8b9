"""A43: every attack fails by name with the process's real login; and the control for each
guard: the attack succeeds once the owner removed the guard."""

from __future__ import annotations

import json
import re

import pytest
from django.db import connection, transaction

from audit import sqlfile
from remediation import schema
from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.digest import Kind, digest
from remediation.domain.plan import Target
from tests import factories
from tests.database.attack import Attack, refused, sql
from tests.database.attacks import ATTACKS
from tests.database.logins import ALIASES, real_login
from tests.database.world import World
from tests.every import every

pytestmark = pytest.mark.django_db(databases=ALIASES)

# Other files test these refusals for every login and table.
ELSEWHERE = {"isolation"}  # test_races.py


@every("attack", ATTACKS, ids=lambda a: a.name, undo=True)
def test_a43_refused_with_the_real_login(attack: Attack, world: World) -> None:
    with real_login(attack.login), refused(attack.refusal), transaction.atomic():
        attack.run(world)


@every("attack", ATTACKS, ids=lambda a: a.name, undo=True)
def test_the_control_without_the_guard_succeeds(attack: Attack, world: World) -> None:
    for statement in attack.control:
        sql(statement)
    attack.run(world)
    sql("SET CONSTRAINTS ALL IMMEDIATE")


def test_every_refusal_has_its_attack() -> None:
    named = re.compile(r"refuse_v1\('(\w+)'")
    written = {
        name for file in schema.FILES for name in named.findall(sqlfile.read(schema.SQL, [file]))
    }
    assert written - ELSEWHERE == {a.refusal for a in ATTACKS} & written


@every(
    "guard",
    [
        "a_fact",
        "guard",
        "b_login",
        "c_guard",
        "guard_update",
        "incident",
        "plan",
        "alternative",
        "choice",
        "guard_agent",
        "narrowed",
        "guard_narrowed",
    ],
    undo=True,
)
def test_every_guard_has_its_control(guard: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE tgname = %s AND NOT tgisinternal",
            [guard],
        )
        tables = {row[0].removeprefix("remediation_") for row in cursor.fetchall()}
    controls = {statement for attack in ATTACKS for statement in attack.control}
    switched = {
        table
        for table in tables
        if f"ALTER TABLE public.remediation_{table} DISABLE TRIGGER {guard}" in controls
    }
    assert tables, f"there is no guard {guard}"
    if guard == "a_fact":  # one function on every table of facts
        assert switched
    else:
        # The guard of invitations refuses nothing, it only sets their end.
        assert switched == tables - {"invitation"}


def test_an_unknown_state_is_refused_even_without_the_guard() -> None:
    proposal = factories.proposal()
    everything_off = factories.unguarded("remediation_proposal")
    with everything_off, refused("proposal_state_known"), transaction.atomic():
        sql("UPDATE remediation_proposal SET state = 'done' WHERE id = %s", proposal.pk)


@every("kind", TARGETS, undo=True)
def test_locators_in_sql_and_code_agree(kind: str) -> None:
    """The guard derives the locator from the plan's bytes; kinds without actions have none."""
    fields = {name: f"x{place}" for place, name in enumerate(TARGETS[kind].fields)}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT remediation.locator_v1(%s::jsonb)", [json.dumps({"kind": kind, **fields})]
        )
        (found,) = cursor.fetchone()
    acted_on = {spec.target_kind for spec in ACTIONS.values()}
    assert found == (Target(kind, fields).locator if kind in acted_on else None)


def test_digests_in_sql_and_code_agree() -> None:
    for kind in Kind:
        with connection.cursor() as cursor:
            cursor.execute("SELECT remediation.digest_v1(%s, %s)", [kind, b"\x00body\xff"])
            assert cursor.fetchone()[0] == digest(kind, b"\x00body\xff")
