"""The first passkey by a one-time code; further ones only with one that is there (A21)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.urls import reverse

from audit.models import Entry
from hitlportal.demo.people.passkey import SoftPasskey
from remediation import models as m
from remediation.domain import b64url
from remediation.services.actors import operator
from remediation.services.people import enroll
from tests import factories
from tests.views.conftest import Answer, Browser, BrowserOf

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery staple"


@pytest.fixture
def newcomer() -> m.User:
    user = m.User(username="newcomer", email="newcomer@example.org")
    user.set_unusable_password()
    user.save()
    return user


@pytest.fixture
def code(newcomer: m.User) -> str:
    return enroll.invite(actor=operator(), username=newcomer.username)


def given(right: str, **changes: Any) -> dict[str, Any]:
    return {
        "username": "newcomer",
        "code": right,
        "password": PASSWORD,
        "name": "Laptop",
        **changes,
    }


def answer_of(response: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(response.content)
    return found


def enrol(browser: Browser, body: dict[str, Any], passkey: SoftPasskey) -> Answer:
    """Start and finish as the page's script does."""
    started = browser.send("invite_start", body=body)
    assert started.status_code == 200, started.content
    challenge = b64url.decode(answer_of(started)["create"]["challenge"])
    credential = passkey.registration(challenge, settings.RP_ID, settings.ORIGIN)
    return browser.send("invite_finish", body={**body, "credential": credential})


def test_a_code_sets_the_password_and_enrols_the_first_passkey(
    newcomer: m.User, code: str, browser_of: BrowserOf
) -> None:
    passkey = SoftPasskey.create()
    answer = enrol(browser_of(None), given(code), passkey)
    assert answer_of(answer) == {"next": reverse("account_login")}
    newcomer.refresh_from_db()
    assert newcomer.check_password(PASSWORD)
    assert bytes(m.PasskeyEnrolment.objects.get().cose_key) == passkey.cose_key
    recorded = [
        e.data for e in Entry.objects.order_by("id") if e.data["action"].endswith("enrolled")
    ]
    assert recorded[0]["data"]["fingerprint"] == passkey.fingerprint


def test_a_code_is_good_once(newcomer: m.User, code: str, browser_of: BrowserOf) -> None:
    enrol(browser_of(None), given(code), SoftPasskey.create())
    again = browser_of(None).send("invite_start", body=given(code))
    assert (again.status_code, answer_of(again)["name"]) == (403, "invitation_invalid")
    assert Authenticator.objects.filter(user=newcomer).count() == 1


def test_a_code_is_good_for_fifteen_minutes(
    newcomer: m.User, code: str, browser_of: BrowserOf
) -> None:
    factories.backdate(m.Invitation.objects.get(), "expires_at", minutes=15)
    answer = browser_of(None).send("invite_start", body=given(code))
    assert answer_of(answer)["name"] == "invitation_invalid"


@pytest.mark.parametrize("changes", [{"username": "nobody"}, {"code": "0000"}])
def test_a_wrong_name_and_a_wrong_code_get_the_same_answer(
    code: str, browser_of: BrowserOf, changes: dict[str, str]
) -> None:
    answer = browser_of(None).send("invite_start", body=given(code, **changes))
    assert answer.status_code == 403
    assert answer_of(answer)["title"] == (
        "The one-time code is wrong, used or older than fifteen minutes."
    )


def test_fifty_people_behind_one_address_enrol_within_a_minute(browser_of: BrowserOf) -> None:
    """An organisation's first morning. Wrong codes stay limited, by address."""
    for number in range(50):
        user = m.User(username=f"new{number}", email=f"new{number}@example.org")
        user.set_unusable_password()
        user.save()
        code = enroll.invite(actor=operator(), username=user.username)
        enrol(browser_of(None), given(code, username=user.username), SoftPasskey.create())
    assert Authenticator.objects.count() == 50
    names = [
        answer_of(browser_of(None).send("invite_start", body=given("X", username=f"n{number}")))
        for number in range(31)
    ]
    assert [one["name"] for one in names] == ["invitation_invalid"] * 30 + ["throttled"]


def test_a_weak_password_is_named_at_its_field_and_costs_no_code(
    code: str, browser_of: BrowserOf
) -> None:
    answer = browser_of(None).send("invite_start", body=given(code, password="short"))
    assert "password" in answer_of(answer)["fields"]
    assert enrol(browser_of(None), given(code), SoftPasskey.create()).status_code == 200


def test_a_registration_for_another_challenge_or_origin_is_refused(
    newcomer: m.User, code: str, browser_of: BrowserOf
) -> None:
    for challenge, origin in ((b"\1" * 32, settings.ORIGIN), (None, "https://evil.example")):
        browser = browser_of(None)
        started = answer_of(browser.send("invite_start", body=given(code)))
        asked = b64url.decode(started["create"]["challenge"])
        credential = SoftPasskey.create().registration(challenge or asked, settings.RP_ID, origin)
        answer = browser.send("invite_finish", body={**given(code), "credential": credential})
        assert answer_of(answer)["name"] == "passkey_refused"
    assert not Authenticator.objects.filter(user=newcomer).exists()
    newcomer.refresh_from_db()
    assert not newcomer.has_usable_password()


def test_finishing_without_having_started_is_refused(code: str, browser_of: BrowserOf) -> None:
    body = {**given(code), "credential": {}}
    answer = browser_of(None).send("invite_finish", body=body)
    assert answer_of(answer)["name"] == "session_expired"


def test_a17_opening_the_invite_page_uses_no_code(
    newcomer: m.User, code: str, browser_of: BrowserOf
) -> None:
    assert browser_of(None).get("invite").status_code == 200
    assert browser_of(None).get("invite_start").status_code == 405
    assert not m.InvitationUse.objects.exists()


def add(browser: Browser, prove_with: SoftPasskey, new: SoftPasskey) -> Answer:
    started = answer_of(browser.send("passkey_add_start", body={"name": "Second"}))
    proof = prove_with.authentication(
        b64url.decode(started["prove"]["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    credential = new.registration(
        b64url.decode(started["create"]["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    body = {"name": "Second", "assertion": proof, "credential": credential}
    return browser.send("passkey_add", body=body)


def test_a21_a_second_passkey_needs_the_first_and_is_on_record(browser_of: BrowserOf) -> None:
    alice, new = factories.person("alice-e"), SoftPasskey.create()
    answer = add(browser_of(alice), alice.passkey, new)
    assert answer_of(answer) == {"next": reverse("passkeys")}
    assert Authenticator.objects.filter(user=alice.user).count() == 2
    newest = next(
        said
        for said in (entry.data for entry in Entry.objects.order_by("-pk"))
        if said["action"] == "person:passkey:enrolled"
    )
    assert newest["actor"] == alice.actor
    assert newest["data"]["fingerprint"] == new.fingerprint


def test_a21_a_stolen_session_cannot_enrol(browser_of: BrowserOf) -> None:
    alice, thief = factories.person("alice-e"), SoftPasskey.create()
    answer = add(browser_of(alice), thief, SoftPasskey.create())
    assert (answer.status_code, answer_of(answer)["name"]) == (422, "signature_invalid")
    assert Authenticator.objects.filter(user=alice.user).count() == 1
    refused = [
        e.data for e in Entry.objects.order_by("id") if e.data["action"] == "person:request:refused"
    ]
    assert refused[0]["data"]["refusal"] == "signature_invalid"


def test_a_ceremony_is_good_once(browser_of: BrowserOf) -> None:
    alice = factories.person("alice-e")
    browser = browser_of(alice)
    add(browser, alice.passkey, SoftPasskey.create())
    body = {"name": "Third", "assertion": {}, "credential": {}}
    assert answer_of(browser.send("passkey_add", body=body))["name"] == "session_expired"


def test_the_last_passkey_stays(browser_of: BrowserOf) -> None:
    alice = factories.person("alice-e")
    browser, row = browser_of(alice), Authenticator.objects.get(user=alice.user)
    started = answer_of(browser.send("passkey_remove_start", row.pk, body={}))
    proof = alice.passkey.authentication(
        b64url.decode(started["prove"]["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    answer = browser.send("passkey_remove", row.pk, body={"assertion": proof})
    assert (answer.status_code, answer_of(answer)["name"]) == (409, "last_passkey")


def test_a_passkey_of_somebody_else_cannot_be_removed(browser_of: BrowserOf) -> None:
    alice, bob = factories.person("alice-e"), factories.person("bob-e")
    browser, row = browser_of(alice), Authenticator.objects.get(user=bob.user)
    started = answer_of(browser.send("passkey_remove_start", row.pk, body={}))
    proof = alice.passkey.authentication(
        b64url.decode(started["prove"]["challenge"]), settings.RP_ID, settings.ORIGIN
    )
    answer = browser.send("passkey_remove", row.pk, body={"assertion": proof})
    assert (answer.status_code, answer_of(answer)["name"]) == (404, "no_such_object")
    assert Authenticator.objects.filter(user=bob.user).exists()


def test_the_page_shows_the_fingerprint_that_an_operator_compares(browser_of: BrowserOf) -> None:
    alice = factories.person("alice-e")
    page = browser_of(alice).get("passkeys").content.decode()
    assert alice.passkey.fingerprint in page
