"""Sessions are on record; failed sign-ins of unknown callers are counted, not listed."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.account.signals import password_changed
from django.contrib.auth import authenticate, login, logout
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.cache import SessionStore
from django.core.cache import cache
from django.http import HttpRequest

from audit.models import Entry
from remediation.domain.errors import Refused
from remediation.services.people import signin
from tests import factories
from tests.factories import WEB, Person

pytestmark = pytest.mark.django_db

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def request() -> HttpRequest:
    made = HttpRequest()
    made.session = SessionStore()
    made.user = AnonymousUser()
    made.META["REMOTE_ADDR"] = "127.0.0.1"
    return made


def entries() -> list[Any]:
    """Return the services' entries; triggers append those of the accounts that tests make."""
    return [
        e.data
        for e in Entry.objects.order_by("id")
        if not e.data["action"].startswith(("person:passkey:", "database:"))
    ]


@pytest.fixture
def alice() -> Person:
    return factories.person("alice")


def test_a_session_is_on_record_from_its_start_to_its_end(alice: Person) -> None:
    asked = request()
    with factories.acting(WEB):
        login(asked, alice.user, backend=BACKEND)
        logout(asked)
    assert [(e["action"], e["actor"], e["object"]) for e in entries()] == [
        ("person:session:started", alice.actor, alice.actor),
        ("person:session:ended", alice.actor, alice.actor),
    ]


def test_ending_an_unknown_session_names_nobody() -> None:
    with factories.acting(WEB):
        logout(request())
    assert entries() == []


def test_a51_a_session_needs_its_entry(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise Refused("the log is gone")

    monkeypatch.setattr("remediation.services.people.signin.log.append", broken)
    with pytest.raises(Refused), factories.acting(WEB):
        login(request(), alice.user, backend=BACKEND)


def test_failed_sign_ins_are_counted_by_minute(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.clear()
    monkeypatch.setattr(signin.time, "time", lambda: 60.0 * 1000)
    with factories.acting(WEB):
        for _ in range(5):
            assert authenticate(request(), username="alice", password="wrong") is None
            assert authenticate(request(), username="nobody", password="wrong") is None
    (entry,) = entries()
    assert entry["action"] == "system:refusals:counted"
    assert entry["object"] == "door:sign_in"
    monkeypatch.setattr(signin.time, "time", lambda: 60.0 * 1001)
    with factories.acting(WEB):
        assert authenticate(request(), username="alice", password="wrong") is None
    assert entries()[-1]["data"] == {"minute": 1001, "previous_minute_total": 10}


def test_a_changed_password_is_on_record_without_the_password(alice: Person) -> None:
    with factories.acting(WEB):
        password_changed.send(sender=type(alice.user), request=request(), user=alice.user)
    (entry,) = entries()
    assert entry["action"] == "person:user:changed"
    assert entry["data"] == {"changed": ["password"]}
