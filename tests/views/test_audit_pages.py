"""Auditors' pages: who may read, that reading is on record first, and what is shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.db import connections
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from tests import factories
from tests.factories import Person
from tests.flows.world import World
from tests.views.conftest import Answer, BrowserOf, text_of

# The auditor's login sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "auditor"])


@pytest.fixture
def world(tmp_path: Path, settings: Settings) -> World:
    return World(tmp_path, settings)


@pytest.fixture
def carol() -> Person:
    return factories.person("carol-a", roles=["auditor"])


@pytest.fixture(autouse=True)
def _connections_end() -> Iterator[None]:
    """An open connection of the auditor would hold up the flush after the test."""
    yield
    connections["auditor"].close()


def newest() -> dict[str, object]:
    return dict(Entry.objects.order_by("-pk")[0].data)


def ids(page: str) -> list[int]:
    return [int(found) for found in re.findall(r'href="/audit/entries/(\d+)/"', page)]


def test_an_auditor_reads_entries_newest_first(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    world.in_review()
    found = ids(text_of(browser_of(carol).get("audit_entries")))
    assert found == sorted(found, reverse=True)
    assert len(found) == min(100, Entry.objects.count())


def test_reading_is_on_record_before_the_first_row_is_read(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(carol)
    for name, args in (("audit_entries", []), ("audit_entry", [1]), ("audit_incidents", [])):
        browser.get(name, *args)
        assert newest()["action"] == "person:audit:read"
        assert newest()["actor"] == carol.actor
    first = ids(text_of(browser.get("audit_entries")))[0]
    assert Entry.objects.get(pk=first).data["action"] == "person:audit:read"


def test_a_filter_finds_what_an_entry_is_about(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    proposal_id = world.in_review()
    about = f"proposal:{proposal_id}"
    found = ids(text_of(browser_of(carol).get("audit_entries", object=about)))
    assert found
    assert {Entry.objects.get(pk=pk).data["object"] for pk in found} == {about}
    page = text_of(browser_of(carol).get("audit_entries", object="' OR 1=1 --"))
    assert ids(page) == []


def test_pages_follow_each_other_by_key(world: World, carol: Person, browser_of: BrowserOf) -> None:
    for _ in range(120):
        factories.entry("person:audit:read", carol.actor, "page:test")
    browser = browser_of(carol)
    page = text_of(browser.get("audit_entries", object="page:test"))
    older = re.search(r'href="\?(?:[^"]*&amp;)?before=(\d+)"', page)
    assert older is not None
    first = ids(page)
    second = ids(text_of(browser.get("audit_entries", object="page:test", before=older[1])))
    assert (len(first), len(second)) == (100, 20)
    assert min(first) > max(second)


def test_an_entry_is_shown_with_its_exact_bytes(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    entry = Entry.objects.order_by("pk")[0]
    page = text_of(browser_of(carol).get("audit_entry", entry.pk))
    assert bytes(entry.body).decode().replace('"', "&quot;") in page


def test_an_entry_that_is_not_there_is_not_found(carol: Person, browser_of: BrowserOf) -> None:
    assert browser_of(carol).get("audit_entry", 10**12).status_code == 404


@pytest.mark.parametrize("name", ["audit_entries", "audit_incidents"])
def test_a13_nobody_else_reads_not_even_a_superuser(
    world: World, browser_of: BrowserOf, name: str
) -> None:
    root = factories.person()
    m.User.objects.filter(pk=root.user.pk).update(is_superuser=True, is_staff=True)
    for someone in (root, world.people["alice"]):
        answer: Answer = browser_of(someone).get(name)
        assert answer.status_code == 403
        assert newest()["action"] == "person:request:refused"
        assert newest()["actor"] == someone.actor


def test_without_a_login_for_auditors_nothing_is_shown(
    world: World, carol: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never through the web process's own login."""
    monkeypatch.delitem(django_settings.DATABASES, "auditor")
    for name in ("audit_entries", "audit_incidents"):
        assert browser_of(carol).get(name).status_code == 403


def test_an_auditor_sees_closed_incidents_too(
    world: World, carol: Person, browser_of: BrowserOf
) -> None:
    incident = m.Proposal.objects.get(pk=world.in_review()).incident
    closed = browser_of(world.people["alice"]).post(
        "incident_close",
        incident.pk,
        outcome="false_positive",
        reason="The address is the new build host.",
    )
    assert closed.status_code == 302
    page = text_of(browser_of(carol).get("audit_incidents"))
    assert str(incident.pk) in page
    assert "closed" in page
    assert str(incident.pk) not in text_of(browser_of(carol).get("incidents"))
