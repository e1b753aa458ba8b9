"""The pages of people, agents and the inventory, as those who keep them use them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests import factories
from tests.browser.chromium import Visitor
from tests.browser.people import PASSWORD, account, come_in
from tests.browser.test_accessible import check

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


def test_an_administrator_invites_a_person_who_comes_in(visit: Callable[[], Visitor]) -> None:
    adam, nina = visit(), visit()
    come_in(adam, account("adam-k", "user_admin"))
    account("nina-k", "security")
    factories.person("ida-k", roles=["inventory_editor"])
    factories.person("gone-k", roles=["security"], active=False)
    check(adam, ["/people/", "/people/?state=inactive"])
    page = adam.open("/people/")
    page.get_by_role("row", name="nina-k").get_by_role("button", name="Invite").click()
    expect(page.get_by_role("heading", name="Invitation of nina-k")).to_be_visible()
    code = page.locator("#code").inner_text()
    adam.shoot("people-invited")

    theirs = nina.open("/invite/")
    theirs.get_by_label("Username").fill("nina-k")
    theirs.get_by_label("One-time code").fill(code)
    theirs.get_by_label("New password").fill(PASSWORD)
    theirs.get_by_label("Name of the passkey").fill("Laptop")
    theirs.get_by_role("button", name="Create passkey").click()
    theirs.wait_for_url("**/account/login/")
    page = adam.open("/people/")
    row = page.get_by_role("row", name="nina-k")
    expect(row).to_contain_text("hitlportal approver add nina-k --key")


def test_agents_and_inventory(visit: Callable[[], Visitor]) -> None:
    both = visit()
    user = account("eve-k", "agent_admin")
    come_in(both, user)
    factories.join(user, "inventory_editor")
    good = factories.agent(name="cloud-detector")
    factories.token(good, expires=timedelta(days=60))
    factories.agent(name="pg-detector")
    factories.agent(name="old-bot", enabled=False)
    ledger = factories.service("ledger", payment_path=True, criticality="critical")
    factories.service("wiki", owner_team="", environment="development")
    factories.dependency(ledger, factories.identity("postgres.role:prod/svc_ledger"))
    factories.identity("postgres.role:prod/svc_reports")
    check(both, ["/agents/", "/inventory/", "/inventory/?unowned=yes", "/inventory/identities/"])
    page = both.open("/inventory/")
    page.get_by_role("link", name="No owner team").click()
    expect(page.get_by_role("link", name="wiki", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="ledger", exact=True)).to_have_count(0)
