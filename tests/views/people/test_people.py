"""The page of people: states, next steps, and invitations by an administrator."""

from __future__ import annotations

from pathlib import Path

import pytest

from remediation import models as m
from remediation.services.actors import ProcessActor
from remediation.services.people import approvers
from tests import factories
from tests.factories import WORKER, Person
from tests.views.conftest import BrowserOf, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def adam(db: None) -> Person:
    return factories.person("adam", roles=["user_admin"])


def newcomer(name: str, *roles: str) -> m.User:
    """An account as an administrator makes it: nobody can sign in to it yet."""
    user = m.User(username=name)
    user.set_unusable_password()
    user.save(force_insert=True)
    for role in roles:
        factories.join(user, role)
    return user


def row_of(page: str, name: str) -> str:
    return next(row for row in page.split("<tr>") if f">{name}</a>" in row)


@pytest.mark.parametrize("role", ["security", "lead", "inventory_editor", "agent_admin"])
def test_others_do_not_see_people(role: str, browser_of: BrowserOf) -> None:
    assert browser_of(factories.person(roles=[role])).get("people").status_code == 403


def test_each_person_has_the_next_step(adam: Person, browser_of: BrowserOf, tmp_path: Path) -> None:
    alice = factories.person("alice", roles=["security"])
    newcomer("nina", "security")
    factories.person("gone", roles=["security"], active=False)
    page = text_of(browser_of(adam).get("people"))
    assert "Invite<" in row_of(page, "nina")
    key = alice.passkey.fingerprint.replace(" ", "")
    command = f"hitlportal approver add alice --key {key} --role security"
    assert command in row_of(page, "alice")
    assert "inactive" in row_of(page, "gone")

    with factories.acting(WORKER):
        approvers.add(
            actor=ProcessActor("operator:root@host"),
            path=tmp_path / "approvers.json",
            username="alice",
            key=alice.passkey.fingerprint,
            roles=("security",),
        )
    page = text_of(browser_of(adam).get("people"))
    assert "Give the right to review a service" in row_of(page, "alice")
    factories.grant(alice.user, "review_service", factories.service())
    assert "A second passkey" in row_of(text_of(browser_of(adam).get("people")), "alice")

    with factories.acting(WORKER):
        approvers.remove(
            actor=ProcessActor("operator:root@host"),
            path=tmp_path / "approvers.json",
            username="alice",
        )
    assert "The key has ended" in row_of(text_of(browser_of(adam).get("people")), "alice")


def test_filters(adam: Person, browser_of: BrowserOf) -> None:
    newcomer("nina", "security")
    factories.person("gone", active=False)
    browser = browser_of(adam)
    for query, there, absent in (
        ({"state": "inactive"}, "gone", "nina"),
        ({"q": "NIN"}, "nina", "gone"),
        ({"role": "security"}, "nina", "gone"),
        ({"state": "todo"}, "nina", "gone"),
        ({"state": "no such state", "role": "nothing"}, "nina", "nobody else"),
    ):
        page = text_of(browser.get("people", **query))
        assert f">{there}</a>" in page, query
        assert f">{absent}</a>" not in page, query


def test_an_administrator_invites_and_sees_the_code_once(
    adam: Person, browser_of: BrowserOf
) -> None:
    nina = newcomer("nina")
    browser = browser_of(adam)
    assert browser.get("person_invite", nina.pk).status_code == 405  # a GET changes nothing (A17)
    answer = browser.post("person_invite", nina.pk)
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    invitation = m.Invitation.objects.get(person=nina.person)
    assert invitation.created_by == adam.actor
    code = text_of(answer).partition('id="code" translate="no">')[2].partition("<")[0]
    assert len(code) == 23
    assert "Invited, code valid" in row_of(text_of(browser.get("people")), "nina")
    assert code not in text_of(browser.get("people"))


@pytest.mark.parametrize("role", ["auditor", "security", "agent_admin"])
def test_nobody_else_invites(role: str, browser_of: BrowserOf) -> None:
    nina = newcomer("nina")
    answer = browser_of(factories.person(roles=[role])).post("person_invite", nina.pk)
    assert answer.status_code == 403
    assert not m.Invitation.objects.exists()


def test_who_has_a_passkey_is_not_invited_again(adam: Person, browser_of: BrowserOf) -> None:
    """Else an administrator could take an account over by a code of his own."""
    alice = factories.person("alice")
    answer = browser_of(adam).post("person_invite", alice.user.pk)
    assert answer.status_code == 409
    assert not m.Invitation.objects.exists()
