"""Strangers cannot keep a person out (A74); guessing from one place stays slow."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse
from pytest_django import Settings

from hitlportal import doors
from hitlportal.adapter import AccountAdapter
from remediation import models as m
from remediation.services.actors import operator
from remediation.services.people import enroll
from tests import factories
from tests.conftest import AsLogin
from tests.factories import Person
from tests.views.account.test_passkey_alone import answer
from tests.views.account.test_sign_in import PASSWORD, send_password, use_passkey
from tests.views.conftest import Answer

pytestmark = pytest.mark.django_db
HERS, THEIRS = "192.0.2.1", "198.51.100.7"
# What allauth ships, and what stood here before: by address, and by the account's name alone.
BY_NAME = {"login_failed": "20/m/ip,5/5m/key"}


def at(address: str, **more: str) -> Client:
    return Client(REMOTE_ADDR=address, **more)


@pytest.fixture
def alice() -> Person:
    someone = factories.person("alice-d", roles=["security"])
    someone.user.set_password(PASSWORD)
    someone.user.save()
    return someone


def knocked(client: Client, someone: Person, times: int = 6) -> Answer:
    """Send that many wrong passwords; return the last answer."""
    for _ in range(times):
        last = send_password(client, someone, "wrong wrong wrong")
    return last


def is_let_on(sent: Answer) -> bool:
    """The password was right: the passkey is asked for."""
    return bool(sent.status_code == 302 and sent["Location"] == reverse("mfa_authenticate"))


def test_a74_wrong_passwords_of_a_stranger_stop_the_stranger_alone(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    with as_login("hitl_web"):
        assert b"Too many failed login attempts" in knocked(at(THEIRS), alice).content
        assert not is_let_on(send_password(at(THEIRS), alice)), "not even the right one, for now"
        client = at(HERS)
        assert is_let_on(send_password(client, alice))
        assert use_passkey(client, alice, settings)["Location"] == reverse("home")


def test_a74_control_counted_by_name_alone_a_stranger_keeps_her_out(
    alice: Person, settings: Settings, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ACCOUNT_RATE_LIMITS = BY_NAME
    monkeypatch.delattr(AccountAdapter, "pre_authenticate")
    with as_login("hitl_web"):
        knocked(at(THEIRS), alice)
        assert not is_let_on(send_password(at(HERS), alice))


def test_a74_a_passkey_alone_gets_in_where_passwords_are_stopped(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    """Also from the stranger's own address: they may share one."""
    with as_login("hitl_web"):
        knocked(at(HERS), alice, times=21)
        assert answer(at(HERS), alice, settings)["Location"] == reverse("home")


def test_a74_wrong_passwords_for_many_names_stop_their_address_alone(
    alice: Person, as_login: AsLogin
) -> None:
    with as_login("hitl_web"):
        for number in range(21):
            body = {"login": f"nobody{number}", "password": "wrong wrong wrong"}
            last = at(THEIRS).post(reverse("account_login"), body)
        assert b"Too many failed login attempts" in last.content
        assert not is_let_on(send_password(at(THEIRS), alice))
        assert is_let_on(send_password(at(HERS), alice))


def test_a74_waiting_is_enough_however_often_one_tried(
    alice: Person, as_login: AsLogin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is refused is not counted: it slows, it does not lock."""
    now = [1_800_000_000.0]
    monkeypatch.setattr("allauth.core.internal.ratelimit.time.time", lambda: now[0])
    with as_login("hitl_web"):
        knocked(at(HERS), alice, times=25)
        now[0] += 61
        assert is_let_on(send_password(at(HERS), alice))


def test_a74_wrong_codes_do_not_stop_the_right_one(as_login: AsLogin) -> None:
    newcomer = m.User(username="new-d", email="new-d@example.org")
    newcomer.set_unusable_password()
    newcomer.save()
    code = enroll.invite(actor=operator(), username=newcomer.username)

    def start(address: str, given: str) -> Any:
        body = {"username": "new-d", "code": given, "password": PASSWORD, "name": "Laptop"}
        return at(address).post(
            reverse("invite_start"), json.dumps(body), content_type="application/json"
        )

    with as_login("hitl_web"):
        names = [start(THEIRS, f"WRONG-{number}").json()["name"] for number in range(31)]
        assert names == ["invitation_invalid"] * 30 + ["throttled"]
        assert start(HERS, code).status_code == 200
        assert start(THEIRS, code).status_code == 200, "its address may be shared"
        assert start(HERS, "WRONG-0").json()["name"] == "invitation_invalid", "counted by address"


def test_a74_behind_a_proxy_a_stranger_stops_himself_alone(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    """The proxy is the only client of the socket, and appends what it saw."""
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 1
    with as_login("hitl_web"):
        for number in range(21):
            forged = at("127.0.0.1", HTTP_X_FORWARDED_FOR=f"10.0.0.{number}, {THEIRS}")
            last = send_password(forged, alice, "wrong wrong wrong")
        assert b"Too many failed login attempts" in last.content, "he chose no address"
        forged = at("127.0.0.1", HTTP_X_FORWARDED_FOR=f"{HERS}, {THEIRS}")
        assert not is_let_on(send_password(forged, alice))
        assert is_let_on(send_password(at("127.0.0.1", HTTP_X_FORWARDED_FOR=HERS), alice))


def test_a74_control_without_the_count_of_hops_all_share_the_proxys_address(
    alice: Person, settings: Settings, as_login: AsLogin
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = 0
    with as_login("hitl_web"):
        knocked(at("127.0.0.1", HTTP_X_FORWARDED_FOR=THEIRS), alice)
        hers = at("127.0.0.1", HTTP_X_FORWARDED_FOR=HERS)
        assert not is_let_on(send_password(hers, alice))


@pytest.mark.parametrize(
    ("hops", "header", "socket", "found"),
    [
        (0, THEIRS, HERS, HERS),
        (1, f"10.0.0.1, {THEIRS}", HERS, THEIRS),
        (2, f"10.0.0.1, {THEIRS}, 10.0.0.2", HERS, THEIRS),
        (2, THEIRS, HERS, HERS),  # too few entries: not 500, and not the client's word
        (1, "", HERS, HERS),
        (1, ",,", HERS, HERS),
        (1, "a stranger's word", HERS, HERS),
        (1, f"{THEIRS}:4711", HERS, THEIRS),
        (1, "[2001:db8::1]:4711", HERS, "2001:db8::1"),
        (1, "", "", doors.UNKNOWN),  # a Unix socket
    ],
)
def test_a74_the_address_is_what_the_outermost_proxy_saw(
    settings: Settings, hops: int, header: str, socket: str, found: str
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = hops
    request = RequestFactory().get("/", REMOTE_ADDR=socket, HTTP_X_FORWARDED_FOR=header)
    assert doors.address(request) == found


def test_a74_check_deploy_asks_for_the_count_of_hops(settings: Settings) -> None:
    settings.PROCESS, settings.PROXY_HOPS = "web", ""
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    assert [said.id for said in doors.check_hops()] == ["hitlportal.W030"]
    settings.PROXY_HOPS = "1"
    assert doors.check_hops() == []
    settings.PROXY_HOPS, settings.SECURE_PROXY_SSL_HEADER = "", None
    assert doors.check_hops() == []
