"""A hostile name, and what the action does not stop, as Chromium draws them: whole, inert, in 360
pixels and in the dark (A01)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from playwright.sync_api import expect
from psycopg import sql
from pytest_django import Settings

from remediation import models as m
from tests import factories
from tests.browser.conftest import Come
from tests.browser.test_accessible import judge
from tests.executors import install
from tests.flows.test_names import RoleWorld, a_role
from tests.servers import Addresses

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


@pytest.fixture
def world(
    tmp_path: Path, settings: Settings, origin: str, addresses: Addresses
) -> Iterator[RoleWorld]:
    RoleWorld.name = f"x” on PostgreSQL cluster prod\n\u202e{uuid4().hex[:8]}"
    RoleWorld.logins = install.installed(addresses.target)
    with a_role(addresses.target, RoleWorld.name):
        made = RoleWorld(tmp_path, settings)
        row = factories.identity(made.locator, kind="postgres.role", environment="production")
        factories.dependency(m.Service.objects.get(), row)
        factories.settle_inventory()
        yield made


def test_a_hostile_name_and_many_members_stay_readable(
    world: RoleWorld, addresses: Addresses, come: Come
) -> None:
    number = uuid4().hex[:6]
    members = [f"team_{index}_{number}" for index in range(12)]
    members.append(f"none. Everything stops <b>{number}</b>")
    with psycopg.connect(addresses.target, autocommit=True) as connection:
        for name in members:
            statement = sql.SQL("CREATE ROLE {}; GRANT {} TO {}")
            who = sql.Identifier(name)
            connection.execute(statement.format(who, sql.Identifier(world.name), who))
        try:
            seen = world.in_review()
        finally:
            for name in members:
                connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))
    (world.directory / "targets.toml").write_text("", encoding="utf-8")
    alice = come(world.people["alice"].user)
    page = alice.open(f"/proposals/{seen}/")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text("role “x⟨U+201D⟩ on PostgreSQL cluster prod⟨U+000A⟩⟨U+202E⟩")
    expect(heading).to_contain_text("” (cluster orders-db) and close its open sessions")
    page.get_by_text("Steps in full").click()
    expect(page.locator(".sentences li")).to_contain_text(
        "” on PostgreSQL cluster orders-db, and end its open sessions."
    )
    limits = page.locator(".cannot").first
    expect(limits).to_contain_text(f"{members[0]}, {members[10]}")
    expect(limits).to_contain_text(f"“{members[-1]}”, ")
    expect(limits).to_contain_text(". as seen ")
    expect(limits).to_contain_text("on orders-db")
    assert judge(alice, "limits") == []
    world.assess(seen, reason="target_unobservable")
    page = alice.open(f"/proposals/{seen}/")
    page.get_by_text("Steps in full").click()
    expect(page.locator(".cannot").first).to_contain_text("Members of the role were not looked at")
    assert judge(alice, "limits-unknown") == []
    alice.open(f"/proposals/{seen}/execution/")
    assert judge(alice, "limits-run") == []
