"""Sign-in by a passkey alone: its handle names the account, and user verification is required."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from audit.models import Entry
from hitlportal import passkey_login
from hitlportal.demo.people.passkey import SoftPasskey
from remediation import models as m
from remediation.domain import b64url
from tests import factories
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.conftest import Answer, text_of

pytestmark = pytest.mark.django_db
DOOR = reverse("mfa_login_webauthn")


@pytest.fixture
def alice() -> Person:
    cache.clear()
    return factories.person("alice-p", roles=["security"])


def answer(
    client: Client,
    someone: Person,
    settings: Settings,
    *,
    handle: bytes | None = None,
    origin: str = "",
    challenge: bytes | None = None,
) -> Answer:
    """Ask for options and answer them as the browser does with a discoverable passkey."""
    asked = client.get(DOOR, headers={"X-Requested-With": "XMLHttpRequest"}).json()
    options = asked["request_options"]["publicKey"]
    assert options["userVerification"] == "required"
    assert not options.get("allowCredentials"), "nobody learns which passkeys there are"
    made = someone.passkey.authentication(
        challenge or b64url.decode(options["challenge"]),
        settings.RP_ID,
        origin or settings.ORIGIN,
    )
    if handle is None:
        handle = someone.user.person.bytes
    made["response"]["userHandle"] = b64url.encode(handle)
    return client.post(DOOR, {"credential": json.dumps(made)})


def is_signed_in(client: Client) -> bool:
    return client.get(reverse("queue")).status_code == 200


def actions() -> list[Any]:
    return [entry.data["action"] for entry in Entry.objects.order_by("pk")]


def test_a_passkey_alone_opens_a_session_on_record(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    client = Client()
    with as_login("hitl_web"):
        assert answer(client, alice, settings)["Location"] == reverse("home")
        assert is_signed_in(client)
    assert "person:session:started" in actions()


def refused(client: Client, sent: Answer) -> None:
    assert sent["Location"] == reverse("account_login")
    assert not is_signed_in(client)
    page = text_of(client.get(reverse("account_login")))
    assert "That passkey was not accepted." in page


@pytest.mark.parametrize("what", ["handle", "unknown", "garbage", "origin", "challenge"])
def test_what_does_not_fit_opens_nothing(
    alice: Person, settings: Settings, as_login: AsLogin, what: str
) -> None:
    """Alice's passkey with another account's handle, from another origin, for another challenge."""
    other = factories.person("bob-p")
    changes: dict[str, dict[str, Any]] = {
        "handle": {"handle": other.user.person.bytes},
        "unknown": {"handle": b"\0" * 16},
        "garbage": {"handle": b"1"},
        "origin": {"origin": "http://sub.localhost:8000"},
        "challenge": {"challenge": b"\1" * 32},
    }
    client = Client()
    with as_login("hitl_web"):
        refused(client, answer(client, alice, settings, **changes[what]))
    assert "person:session:started" not in actions()
    assert "system:refusals:counted" in actions(), "a failure is counted"


def test_an_answer_is_good_once(
    alice: Person, settings: Settings, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []
    real = Client.post

    def keeps(self: Client, path: str, data: Any = None, **more: Any) -> Any:
        sent.append(data)
        return real(self, path, data, **more)

    monkeypatch.setattr(Client, "post", keeps)
    with as_login("hitl_web"):
        client = Client()
        answer(client, alice, settings)
        client.post(reverse("account_logout"))
        assert not is_signed_in(client)
        refused(client, client.post(DOOR, sent[0]))
        fresh = Client()
        fresh.get(DOOR, headers={"X-Requested-With": "XMLHttpRequest"})
        refused(fresh, fresh.post(DOOR, sent[0]))
        refused(fresh, fresh.post(DOOR, {"credential": json.dumps({"response": {}})}))


def test_without_user_verification_a_passkey_opens_nothing(
    alice: Person, settings: Settings, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stolen security key without its PIN is one factor, not two (promise 5)."""
    real = SoftPasskey.assertion
    monkeypatch.setattr(SoftPasskey, "assertion", lambda self, *given: real(self, *given, uv=False))
    client = Client()
    with as_login("hitl_web"):
        refused(client, answer(client, alice, settings))


def test_control_with_the_librarys_own_origin_check_a_subdomain_could_sign_in(
    alice: Person, settings: Settings, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: without our comparison, any host below the relying party's is taken."""
    monkeypatch.setattr(passkey_login.settings, "ORIGIN", "https://sub.localhost:8000")
    client = Client()
    with as_login("hitl_web"):
        sent = answer(client, alice, settings, origin="https://sub.localhost:8000")
        assert sent["Location"] == reverse("home")


def test_a_deactivated_person_cannot_come_in_and_open_sessions_are_dead(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    client = Client()
    with as_login("hitl_web"):
        answer(client, alice, settings)
        assert is_signed_in(client)
        with factories.as_owner():
            m.User.objects.filter(pk=alice.user.pk).update(is_active=False)
        assert not is_signed_in(client)
        again = Client()
        assert answer(again, alice, settings)["Location"] == reverse("account_inactive")
        assert not is_signed_in(again)


def test_fifty_people_behind_one_address_sign_in_within_a_minute(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    with as_login("hitl_web"):
        for _ in range(50):
            client = Client()
            assert answer(client, alice, settings)["Location"] == reverse("home")
