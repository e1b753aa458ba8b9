"""A80: a second tab of a ceremony, and a page kept open over a new sign-in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions import middleware as django_sessions
from django.test import Client
from django.urls import reverse

from hitlportal import middleware
from hitlportal.demo.people.passkey import SoftPasskey
from remediation.domain import b64url
from remediation.views.account import ceremony
from tests import factories
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.conftest import Answer, Browser, BrowserOf, sign_in

pytestmark = pytest.mark.django_db
START = reverse("passkey_add_start")


@pytest.fixture
def alice() -> Person:
    return factories.person("alice-o", roles=["security"])


def begun(browser: Browser) -> dict[str, Any]:
    started: dict[str, Any] = browser.send("passkey_add_start", body={"name": "Second"}).json()
    return started


def finished(browser: Browser, alice: Person, started: dict[str, Any]) -> Answer:
    proof = alice.passkey.authentication(
        b64url.decode(started["prove"]["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    credential = SoftPasskey.create().registration(
        b64url.decode(started["create"]["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    body = {"name": "Second", "assertion": proof, "credential": credential}
    return browser.send("passkey_add", body=body)


def test_a80_a_second_tab_leaves_the_ceremony_of_the_first(
    alice: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(alice)
    first, second = begun(browser), begun(browser)
    browser.send("passkey_remove_start", 1, body={})
    assert finished(browser, alice, first).status_code == 200
    assert finished(browser, alice, second).status_code == 200
    assert finished(browser, alice, first).json()["name"] == "session_expired", "each once"


def test_a80_control_with_one_ceremony_the_second_tab_ends_the_first(
    alice: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceremony, "MOST_TABS", 1)
    browser = browser_of(alice)
    first, _ = begun(browser), begun(browser)
    assert finished(browser, alice, first).status_code == 422


def test_a80_ceremonies_are_bounded_and_a_purpose_is_not_another(
    alice: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(alice)
    for _ in range(ceremony.MOST_TABS + 3):
        browser.send("passkey_remove_start", 1, body={})
    assert len(browser.client.session[ceremony.SESSION_KEY]) == ceremony.MOST_TABS
    answer = browser.send("passkey_add", body={"name": "x", "assertion": {}, "credential": {}})
    assert answer.json()["name"] == "session_expired"


def with_old_token(client: Client, page_of: str, origin: str = settings.ORIGIN) -> Answer:
    """POST as the script of a page that somebody loaded before the newest sign-in."""
    return client.post(
        START,
        json.dumps({"name": "x"}),
        content_type="application/json",
        headers={"X-CSRFToken": "a" * 64, "X-Page-Person": page_of, "Origin": origin},
    )


def test_a80_an_old_page_of_the_same_person_gets_a_token_and_nobody_else(
    alice: Person, as_login: AsLogin
) -> None:
    bob = factories.person("bob-o")
    client = Client(enforce_csrf_checks=True)
    sign_in(client, alice.user)
    with as_login("hitl_web"):
        client.get(reverse("settings"))
        mine = with_old_token(client, str(alice.id))
        assert mine.status_code == 403 and mine.json()["reload"]
        again = client.post(
            START,
            json.dumps({"name": "x"}),
            content_type="application/json",
            headers={"X-CSRFToken": mine.json()["token"], "Origin": settings.ORIGIN},
        )
        assert again.status_code == 200
        for page_of in (str(bob.id), ""):
            assert "token" not in with_old_token(client, page_of).json()
        elsewhere = with_old_token(client, str(alice.id), "https://evil.example")
        assert elsewhere.status_code == 403 and "token" not in elsewhere.json()
        signed_out = Client(enforce_csrf_checks=True)
        signed_out.cookies["csrftoken"] = client.cookies["csrftoken"].value
        assert with_old_token(signed_out, str(alice.id)).status_code == 401


def asked_late(browser: Browser) -> Answer:
    """What a page is told that was still asking when its session ended."""
    key = settings.SESSION_COOKIE_NAME
    before = browser.client.cookies[key].value
    ended = browser.post("account_logout")
    assert ended.cookies[key].value == "", "signing out takes the cookie away"
    browser.client.cookies[key] = before
    return browser.get("queue")


def test_a80_a_page_that_asks_meanwhile_does_not_end_the_new_session(
    alice: Person, browser_of: BrowserOf
) -> None:
    answer = asked_late(browser_of(alice))
    assert answer.status_code == 302
    assert settings.SESSION_COOKIE_NAME not in answer.cookies


def test_a80_control_djangos_own_answer_deletes_the_cookie(
    alice: Person, browser_of: BrowserOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = django_sessions.SessionMiddleware.process_response
    monkeypatch.setattr(middleware.SessionMiddleware, "process_response", own)
    answer = asked_late(browser_of(alice))
    assert answer.cookies[settings.SESSION_COOKIE_NAME].value == ""
