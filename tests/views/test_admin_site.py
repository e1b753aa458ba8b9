"""The admin site: whose models it shows, and who is let in."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.urls import reverse

from hitlportal.site import ADMIN_APPS, PortalAdminSite
from remediation import models as m
from tests import factories
from tests.factories import Person
from tests.views.conftest import BrowserOf, text_of


@pytest.fixture
def staff(db: None) -> Person:
    someone = factories.person("staff-a", roles=["inventory_editor"])
    m.User.objects.filter(pk=someone.user.pk).update(is_staff=True)
    return someone


def test_the_one_site_is_ours() -> None:
    assert isinstance(admin.site, PortalAdminSite)


def test_other_packages_models_are_not_shown() -> None:
    """allauth would offer passkeys with add, change and delete."""
    assert {model._meta.app_label for model in admin.site._registry} <= ADMIN_APPS


def test_a_foreign_model_cannot_be_registered() -> None:
    from allauth.mfa.models import Authenticator

    site = PortalAdminSite()
    site.register(Authenticator)
    site.register([Authenticator])
    assert not site._registry


def test_staff_get_in_by_the_one_sign_in(staff: Person, browser_of: BrowserOf) -> None:
    page = browser_of(staff).get("admin:index")
    assert page.status_code == 200
    assert "Tables" in text_of(page)
    assert reverse("admin:index") in text_of(browser_of(staff).get("queue"))


def test_approvers_see_only_the_tables_of_what_they_may_see(
    db: None, browser_of: BrowserOf
) -> None:
    browser = browser_of(factories.person("plain", roles=["security"]))
    page = text_of(browser.get("admin:index"))
    for there in ("Incidents", "Diagnoses", "Proposals", "Reviews", "Executions"):
        assert there in page, there
    for absent in ("Users", "Services", "Leases", "Groups", "Passkey"):
        assert absent not in page, absent
    assert reverse("admin:index") in text_of(browser.get("queue"))


def test_who_has_no_table_is_sent_to_the_queue(db: None, browser_of: BrowserOf) -> None:
    browser = browser_of(factories.person("plain", roles=["team_a"]))
    first = browser.get("admin:index")
    assert first.status_code == 302
    answer = browser.get("admin:login")
    assert answer["Location"] == reverse("queue")
    assert reverse("admin:index") not in text_of(browser.get("queue"))


def test_signing_out_of_the_admin_is_the_one_sign_out(staff: Person, browser_of: BrowserOf) -> None:
    browser = browser_of(staff)
    assert browser.get("admin:logout")["Location"] == reverse("account_logout")
    assert browser.get("admin:password_change")["Location"] == reverse("account_change_password")


def test_a_freeze_is_said_on_every_page(staff: Person, browser_of: BrowserOf) -> None:
    with factories.acting("hitl_worker"):
        m.Freeze.objects.create(
            frozen=True,
            reason="a bad release of the agent",
            actor="operator:test",
            entry=factories.entry("operator:freeze:set", "operator:test", "freeze:1"),
        )
    browser = browser_of(staff)
    for name in ("queue", "incidents", "passkeys", "admin:index"):
        assert "a bad release of the agent" in text_of(browser.get(name)), name
