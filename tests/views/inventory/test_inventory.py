"""The inventory's pages: filters, what is missing, and the way to the form that adds it."""

from __future__ import annotations

import pytest
from django.urls import reverse

from tests import factories
from tests.factories import Person
from tests.views.conftest import BrowserOf, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def irene(db: None) -> Person:
    return factories.person("irene", roles=["inventory_editor"])


@pytest.mark.parametrize("page", ["inventory", "inventory_identities"])
@pytest.mark.parametrize("role", ["security", "lead", "agent_admin"])
def test_others_do_not_see_it(page: str, role: str, browser_of: BrowserOf) -> None:
    assert browser_of(factories.person(roles=[role])).get(page).status_code == 403


def test_services_by_what_is_missing(irene: Person, browser_of: BrowserOf) -> None:
    ledger = factories.service("ledger", owner_team="", payment_path=True, criticality="critical")
    factories.service("wiki", owner_team="docs", environment="development")
    factories.service("old", owner_team="docs", retired=True)
    browser = browser_of(irene)
    for query, there, absent in (
        ({}, {"ledger", "wiki"}, {"old"}),
        ({"unowned": "yes"}, {"ledger"}, {"wiki", "old"}),
        ({"payment": "yes", "critical": "yes"}, {"ledger"}, {"wiki"}),
        ({"retired": "yes"}, {"old"}, {"ledger", "wiki"}),
        ({"q": "docs"}, {"wiki"}, {"ledger", "old"}),
        ({"q": "a\0b"}, set(), {"ledger"}),
        ({"page": "99"}, set(), {"ledger"}),
        ({"page": "²"}, {"ledger", "wiki"}, set()),
    ):
        page = text_of(browser.get("inventory", **query))
        assert {name for name in ("ledger", "wiki", "old") if f">{name}<" in page} == there, query
        assert not any(f">{name}<" in page for name in absent), query
    page = text_of(browser.get("inventory"))
    assert "no owner" in page
    assert reverse("admin:remediation_service_change", args=[ledger.pk]) in page


def test_identities_by_what_is_missing(irene: Person, browser_of: BrowserOf) -> None:
    used = factories.identity("postgres.role:c/used")
    factories.identity("postgres.role:c/lonely")
    factories.dependency(factories.service("ledger"), used)
    factories.incident(factories.agent(), "postgres.role:c/lonely")
    browser = browser_of(irene)
    page = text_of(browser.get("inventory_identities", unused="yes"))
    assert "c/lonely" in page
    assert "c/used" not in page
    assert "c/lonely" in text_of(browser.get("inventory_identities", incident="yes"))
    assert "c/used" not in text_of(browser.get("inventory_identities", incident="yes"))


def test_an_auditor_reads_and_cannot_add(browser_of: BrowserOf) -> None:
    page = text_of(browser_of(factories.person(roles=["auditor"])).get("inventory"))
    assert reverse("admin:remediation_service_add") not in page
    assert "No service yet" in page
