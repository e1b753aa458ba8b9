"""What changes while somebody signs in: an account that is reset, a second tab (A80)."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from allauth.mfa.base.views import AuthenticateView
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from hitlportal import passkey_login
from remediation import models as m
from remediation.domain import b64url
from remediation.services.actors import operator
from remediation.services.people import enroll
from tests import factories
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.account.test_sign_in import PASSWORD, is_signed_in, send_password
from tests.views.conftest import Answer, text_of

pytestmark = pytest.mark.django_db
DOOR, STEP = reverse("mfa_login_webauthn"), reverse("mfa_authenticate")


@pytest.fixture
def alice() -> Person:
    someone = factories.person("alice-t", roles=["security"])
    someone.user.set_password(PASSWORD)
    someone.user.save()
    return someone


def test_an_account_that_is_reset_amid_a_sign_in_gets_a_page(
    alice: Person, as_login: AsLogin
) -> None:
    client = Client()
    with as_login("hitl_web"):
        send_password(client, alice)
    enroll.reset(actor=operator(), username=alice.user.username)
    with as_login("hitl_web"):
        page = client.get(reverse("account_login"), follow=True)
        assert page.status_code == 403
        assert "This account has no passkey yet" in text_of(page)
        assert client.get(reverse("account_login")).status_code == 200, "she can begin anew"


def test_control_with_the_librarys_view_it_is_a_loop(
    alice: Person, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passkey_login.PasskeyStepView, "dispatch", AuthenticateView.dispatch)
    client = Client()
    with as_login("hitl_web"):
        send_password(client, alice)
    enroll.reset(actor=operator(), username=alice.user.username)
    with as_login("hitl_web"):
        assert client.get(reverse("account_login"))["Location"] == STEP
        assert client.get(STEP)["Location"] == reverse("account_login")


def test_an_account_that_is_switched_off_amid_a_sign_in_is_told_so(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    client = Client()
    with as_login("hitl_web"):
        send_password(client, alice)
        sent = answered(client, alice, settings, step_options(client), STEP, before=switch_off)
        assert sent["Location"] == reverse("account_inactive")
    m.User.objects.filter(pk=alice.user.pk).update(is_active=True)
    with as_login("hitl_web"):
        assert not is_signed_in(client)


def test_a80_a_second_tab_leaves_the_sign_in_of_the_first(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    with as_login("hitl_web"):
        for ask, door in ((alone_options, DOOR), (step_options, STEP)):
            client = Client()
            if door == STEP:
                send_password(client, alice)
            first, second = ask(client), ask(client)
            assert first != second
            assert answered(client, alice, settings, first, door)["Location"] == reverse("home")
            assert is_signed_in(client)


def test_a80_an_answer_is_good_once_and_old_tabs_are_forgotten(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    with as_login("hitl_web"):
        client = Client()
        oldest = alone_options(client)
        for _ in range(passkey_login.MOST_TABS):
            newest = alone_options(client)
        assert len(client.session[passkey_login.BEGUN]) == passkey_login.MOST_TABS
        sent = answered(client, alice, settings, oldest, DOOR)
        assert sent["Location"] == reverse("account_login")
        assert answered(client, alice, settings, newest, DOOR)["Location"] == reverse("home")
        client.post(reverse("account_logout"))
        again = answered(client, alice, settings, newest, DOOR)
        assert again["Location"] == reverse("account_login")


def test_a80_control_with_one_begun_sign_in_the_second_tab_ends_the_first(
    alice: Person, settings: Settings, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passkey_login, "MOST_TABS", 1)
    client = Client()
    with as_login("hitl_web"):
        first, _ = alone_options(client), alone_options(client)
        sent = answered(client, alice, settings, first, DOOR)
        assert sent["Location"] == reverse("account_login")


def alone_options(client: Client) -> str:
    asked = client.get(DOOR, headers={"X-Requested-With": "XMLHttpRequest"}).json()
    return str(asked["request_options"]["publicKey"]["challenge"])


def step_options(client: Client) -> str:
    page = text_of(client.get(STEP))
    found = re.search(r'<script id="passkey-options"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return str(json.loads(found[1])["publicKey"]["challenge"])


def switch_off(someone: Person) -> None:
    with factories.as_owner():
        m.User.objects.filter(pk=someone.user.pk).update(is_active=False)


def answered(
    client: Client,
    someone: Person,
    settings: Settings,
    challenge: str,
    door: str,
    before: Any = lambda someone: None,
) -> Answer:
    """Answer the challenge with the person's passkey, after `before`."""
    made = someone.passkey.authentication(b64url.decode(challenge), settings.RP_ID, settings.ORIGIN)
    made["response"]["userHandle"] = b64url.encode(someone.user.person.bytes)
    before(someone)
    return client.post(door, {"credential": json.dumps(made)})
