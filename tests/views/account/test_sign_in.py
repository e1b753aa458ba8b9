"""Sign-in: a password and a passkey, or nothing; no way around, no way to sign up."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import NoReverseMatch, reverse

from audit.models import Entry
from remediation import models as m
from remediation.domain import b64url
from tests import factories
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.conftest import Answer, BrowserOf, sign_in, text_of

PASSWORD = "correct horse battery staple"

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> Person:
    someone = factories.person("alice-s", roles=["security"])
    someone.user.set_password(PASSWORD)
    someone.user.save()
    return someone


def send_password(client: Client, someone: Person, password: str = PASSWORD) -> Answer:
    return client.post(
        reverse("account_login"), {"login": someone.user.username, "password": password}
    )


def use_passkey(client: Client, someone: Person, settings: Any) -> Answer:
    page = text_of(client.get(reverse("mfa_authenticate")))
    found = re.search(r'<script id="passkey-options"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert found is not None
    options = json.loads(found[1])["publicKey"]
    assert options["rpId"] == settings.RP_ID
    assert options["userVerification"] == "required"
    answer = someone.passkey.authentication(
        b64url.decode(options["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    return client.post(reverse("mfa_authenticate"), {"credential": json.dumps(answer)})


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("queue")).status_code == 200


def test_a_password_and_a_passkey_open_a_session(
    alice: Person, settings: Any, as_login: AsLogin
) -> None:
    client = Client()
    with as_login("hitl_web"):
        first = send_password(client, alice)
        assert first["Location"] == reverse("mfa_authenticate")
        assert not is_signed_in(client)
        assert use_passkey(client, alice, settings)["Location"] == reverse("home")
        assert is_signed_in(client)
    actions = [entry.data["action"] for entry in Entry.objects.order_by("id")]
    assert "person:session:started" in actions


def test_a_password_alone_opens_nothing(alice: Person, as_login: AsLogin) -> None:
    client = Client()
    with as_login("hitl_web"):
        send_password(client, alice)
        for name in ("queue", "incidents", "passkeys", "admin:index", "audit_entries"):
            assert client.get(reverse(name)).status_code == 302, name


def test_without_a_passkey_there_is_no_session_after_the_password(
    alice: Person, as_login: AsLogin
) -> None:
    """allauth alone would skip the second stage and sign the person in."""
    from allauth.mfa.models import Authenticator

    Authenticator.objects.filter(user=alice.user).delete()
    client = Client()
    with as_login("hitl_web"):
        answer = send_password(client, alice)
        assert answer.status_code == 403
        assert "This account has no passkey yet" in text_of(answer)
        assert not is_signed_in(client)


def test_another_persons_passkey_does_not_open_the_session(
    alice: Person, settings: Any, as_login: AsLogin
) -> None:
    mallory = factories.person("mallory-s")
    client = Client()
    with as_login("hitl_web"):
        send_password(client, alice)
        answer = use_passkey(client, Person(alice.user, mallory.passkey), settings)
        assert answer.status_code == 200
        assert not is_signed_in(client)


def test_a_session_that_no_passkey_opened_is_ended(alice: Person, as_login: AsLogin) -> None:
    client = Client()
    sign_in(client, alice.user, by_passkey=False)
    with as_login("hitl_web"):
        assert client.get(reverse("queue")).status_code == 302
    assert "_auth_user_id" not in client.session


def test_a_session_with_the_record_of_another_user_is_ended(
    alice: Person, as_login: AsLogin
) -> None:
    client = Client()
    sign_in(client, alice.user)
    session = client.session
    session["account_authentication_methods_user"] = "0"
    session.save()
    with as_login("hitl_web"):
        assert client.get(reverse("queue")).status_code == 302


def test_pages_of_signed_in_people_are_never_stored(alice: Person, browser_of: BrowserOf) -> None:
    assert "no-store" in browser_of(alice).get("queue")["Cache-Control"]


@pytest.mark.parametrize(
    "name",
    [
        "account_signup",
        "account_reset_password",
        "account_email",
        "account_reauthenticate",
        "account_set_password",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_remove_webauthn",
        "mfa_generate_recovery_codes",
    ],
)
def test_what_is_not_on_the_list_does_not_exist(name: str) -> None:
    with pytest.raises(NoReverseMatch):
        reverse(name)


@pytest.mark.parametrize("path", ["/account/signup/", "/account/password/reset/", "/account/"])
def test_no_address_answers_there(path: str) -> None:
    assert Client().get(path).status_code == 404


def test_the_admins_own_login_leads_to_the_one_sign_in(alice: Person, as_login: AsLogin) -> None:
    with as_login("hitl_web"):
        answer = Client().get("/admin/login/", {"next": "/admin/"})
        posted = Client().post(
            "/admin/login/", {"username": alice.user.username, "password": PASSWORD}
        )
    for each in (answer, posted):
        assert each.status_code == 302
        assert each["Location"].startswith(reverse("account_login"))


def test_a_password_cannot_be_guessed_for_long(alice: Person, as_login: AsLogin) -> None:
    client = Client()
    with as_login("hitl_web"):
        for _ in range(6):
            answer = send_password(client, alice, "wrong wrong wrong")
        assert "Too many failed login attempts" in text_of(answer)
        assert send_password(client, alice).status_code != 302  # not even the right one, for now


def test_changing_the_password_ends_sessions_and_leaves_the_passkey(
    alice: Person, browser_of: BrowserOf, as_login: AsLogin
) -> None:
    from allauth.mfa.models import Authenticator

    browser = browser_of(alice)
    answer = browser.post(
        "account_change_password",
        oldpassword=PASSWORD,
        password1="another horse, another staple",
        password2="another horse, another staple",
    )
    assert answer.status_code == 302
    with as_login("hitl_web"):
        assert not is_signed_in(browser.client)
    assert Authenticator.objects.filter(user=alice.user).count() == 1


def test_an_inactive_account_cannot_sign_in(
    alice: Person, settings: Any, as_login: AsLogin
) -> None:
    m.User.objects.filter(pk=alice.user.pk).update(is_active=False)
    client = Client()
    with as_login("hitl_web"):
        send_password(client, alice)
        assert not is_signed_in(client)


def test_a_session_of_an_account_that_was_switched_off_ends(
    alice: Person, browser_of: BrowserOf
) -> None:
    browser = browser_of(alice)
    assert browser.get("queue").status_code == 200
    m.User.objects.filter(pk=alice.user.pk).update(is_active=False)
    assert browser.get("queue").status_code == 302


def test_signing_out_needs_a_post(alice: Person, browser_of: BrowserOf) -> None:
    browser = browser_of(alice)
    assert browser.get("account_logout").status_code == 200
    assert browser.get("queue").status_code == 200
    browser.post("account_logout")
    assert browser.get("queue").status_code == 302
