"""The page of agents: owner, tokens, use, quality, and the next step."""

from __future__ import annotations

from datetime import timedelta

import pytest

from remediation.services.reporting import token_use
from tests import factories
from tests.factories import Person
from tests.views.conftest import BrowserOf, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def eve(db: None) -> Person:
    return factories.person("eve", roles=["agent_admin"])


def row_of(page: str, name: str) -> str:
    return next(row for row in page.split("<tr>") if f">{name}<" in row)


@pytest.mark.parametrize("role", ["security", "lead", "inventory_editor", "user_admin"])
def test_others_do_not_see_it(role: str, browser_of: BrowserOf) -> None:
    assert browser_of(factories.person(roles=[role])).get("agents").status_code == 403


def test_each_agent_has_the_next_step(eve: Person, browser_of: BrowserOf) -> None:
    factories.agent(name="bare")
    soon = factories.agent(name="soon")
    factories.token(soon, expires=timedelta(days=3))
    good = factories.agent(name="good")
    used = factories.token(good, expires=timedelta(days=60))
    factories.agent(factories.person("left", active=False), name="orphan")
    factories.agent(name="asleep", enabled=False)
    token_use.count_call(token_id=used.pk, agent_id=good.pk)
    token_use.count_call(token_id=used.pk, agent_id=good.pk)
    token_use.count_refusal(good.pk)
    page = text_of(browser_of(eve).get("agents"))
    assert "Make a token" in row_of(page, "bare")
    assert "before this one expires" in row_of(page, "soon")
    assert "no use seen" in row_of(page, "soon")
    assert "Choose an active owner" in row_of(page, "orphan")
    assert "suspended" in row_of(page, "asleep")
    row = row_of(page, "good")
    assert "2 calls" in row
    assert "1 refused" in row
    assert "last used" in row
    assert "no track record yet" in row


def test_filters(eve: Person, browser_of: BrowserOf) -> None:
    factories.token(factories.agent(name="good"), expires=timedelta(days=60))
    factories.agent(name="asleep", enabled=False)
    factories.agent(name="bare")
    browser = browser_of(eve)
    for query, there, absent in (
        ({"state": "todo"}, "bare", "good"),
        ({"state": "suspended"}, "asleep", "good"),
        ({"q": "GOO"}, "good", "bare"),
    ):
        page = text_of(browser.get("agents", **query))
        assert f">{there}<" in page, query
        assert f">{absent}<" not in page, query
