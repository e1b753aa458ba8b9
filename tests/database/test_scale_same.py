"""scope_v1 and excluded_v1, which use indexes, find the same as the plain rules,
over inventories with random histories (A45: the 24 hours and 7 days rules must hold)."""

from __future__ import annotations

import random
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection, transaction

from tests import factories
from tests.database.plain_inventory import Inventory
from tests.factories import Person

pytestmark = pytest.mark.django_db

LOOSENED = "loosened the inventory in the last 7 days"
TABLES = (
    *("service", "serviceversion", "identity", "identityversion"),
    *("dependency", "dependencyversion"),
)
HOURS = (0, 1, 23, 25, 30, 24 * 6, 24 * 8, 24 * 20)


def rows(sql: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return [tuple(row) for row in cursor.fetchall()]


def history(dice: random.Random) -> list[float]:
    """Return the ages in hours of the versions of one object, oldest first; sometimes none."""
    count = dice.choice((0, 1, 1, 2, 2, 3))
    return sorted((dice.choice(HOURS) + dice.random() / 2 for _ in range(count)), reverse=True)


class Random:
    """Make a small inventory in which everything was changed at some time."""

    def __init__(self, seed: int, authors: list[Person]) -> None:
        self.dice = random.Random(seed)
        self.authors = [factories.CLERK, *(author.actor for author in authors)]
        self.services = self._objects("remediation_service", "name", "s", 9)
        self.identities = self._objects("remediation_identity", "locator", "test.target:r", 4)
        for pk in self.services:
            self._versions("service", pk, self._service)
        for pk in self.identities:
            self._versions("identity", pk, self._identity)
        for _ in range(16):
            self._edge()

    def _objects(self, table: str, column: str, prefix: str, count: int) -> list[int]:
        kind = ", kind" if column == "locator" else ""
        value = ", 'test.target'" if kind else ""
        return [
            rows(
                f"INSERT INTO {table} ({column}{kind}, entry, recorded_at) VALUES"
                f" (%s{value}, 0, now() - %s * interval '1 hour') RETURNING id",
                f"{prefix}{number}",
                self.dice.choice(HOURS),
            )[0][0]
            for number in range(count)
        ]

    def _versions(self, link: str, pk: int, said: Any) -> None:
        for age in history(self.dice):
            columns = {f"{link}_id": pk, "author": self.dice.choice(self.authors), **said()}
            names, marks = ", ".join(columns), ", ".join(["%s"] * len(columns))
            rows(
                f"INSERT INTO remediation_{link}version ({names}, entry, recorded_at) VALUES"
                f" ({marks}, 0, now() - %s * interval '1 hour') RETURNING id",
                *columns.values(),
                age,
            )

    def _service(self) -> dict[str, Any]:
        pick = self.dice.choice
        return {
            "owner_team": pick(("", "a", "b")),
            "environment": pick(("development", "staging", "production")),
            "criticality": pick(("low", "medium", "high", "critical")),
            "payment_path": pick((True, False)),
            "external_partner": pick((True, False)),
            "retired": pick((True, False, False)),
        }

    def _identity(self) -> dict[str, Any]:
        said = self._service()
        return {key: said[key] for key in ("owner_team", "environment", "retired")} | {"name": ""}

    def _edge(self) -> None:
        source = self.dice.choice(self.services)
        column = self.dice.choice(("service_id", "service_id", "identity_id"))
        needs = self.dice.choice(self.services if column == "service_id" else self.identities)
        made = rows(
            f"INSERT INTO remediation_dependency (source_id, {column}, entry, recorded_at)"
            " VALUES (%s, %s, 0, now()) ON CONFLICT DO NOTHING RETURNING id",
            source,
            needs,
        )
        for (pk,) in made:
            self._versions("dependency", pk, self._presence)

    def _presence(self) -> dict[str, Any]:
        present = self.dice.random() < 0.7
        return {"present": present, "by_reviewer": present and self.dice.random() < 0.2}


def make(seed: int, authors: list[Person]) -> Random:
    with ExitStack() as off:
        for table in TABLES:
            off.enter_context(factories.unguarded(f"remediation_{table}"))
        return Random(seed, authors)


@pytest.mark.parametrize("seed", range(40))
def test_a45_the_database_and_the_plain_rules_agree(seed: int) -> None:
    authors = [factories.person(), factories.person()]
    proposals = [factories.proposal(in_inventory=False) for _ in range(3)]
    made = make(seed, authors)
    plain = Inventory.read()
    locators = [f"test.target:r{n}" for n in range(len(made.identities))] + ["test.target:none"]
    for asked in [*([one] for one in locators), locators]:
        for depth, most in ((32, 5001), (1, 5001), (32, 3)):
            found = rows("SELECT * FROM remediation.scope_v1(%s, %s, %s)", asked, depth, most)
            assert found == plain.scope(asked, depth, most)
    for number, proposal in enumerate(proposals):
        locator = f"test.target:r{number}"
        about(proposal.pk, locator)
        found = rows("SELECT person, why FROM remediation.excluded_v1(%s)", proposal.pk)
        people = {person for person, why in found if why == LOOSENED}
        assert people == plain.loosened_by(locator, assessed=set())


def about(proposal: object, locator: str) -> None:
    """Change the proposal's target to an identity of the random inventory."""
    with factories.unguarded("remediation_proposaltarget"), connection.cursor() as cursor:
        cursor.execute(
            "UPDATE remediation_proposaltarget SET locator = %s WHERE proposal_id = %s",
            [locator, proposal],
        )


def test_the_random_inventories_exercise_every_rule() -> None:
    """Otherwise the comparison would prove nothing."""
    found: set[tuple[str, Any]] = set()
    loosened: set[int] = set()
    for seed in range(8):
        with transaction.atomic():
            make(seed, [factories.person(), factories.person()])
            plain = Inventory.read()
            loosened |= {len(plain.loosened_by(f"test.target:r{n}", set())) for n in range(4)}
            for row in rows(
                "SELECT * FROM remediation.scope_v1(%s, 32, 5001)",
                [f"test.target:r{n}" for n in range(4)],
            ):
                found |= {("unused", row[5]), ("retired", row[15]), ("bare", row[16])}
                found.add(("deep", (row[8] or 0) > 2))
            transaction.set_rollback(True)
    for what in ("unused", "retired", "bare", "deep"):
        assert {(what, True), (what, False)} <= found
    assert {0, 1, 2} <= loosened
