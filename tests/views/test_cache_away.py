"""With the shared cache away people read that it is, and stay signed in."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from copy import deepcopy

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from tests import factories
from tests.conftest import AsLogin
from tests.views.conftest import sign_in, text_of

pytestmark = pytest.mark.django_db
WORDS = "The portal&#x27;s cache does not answer. Sessions go on when it is back."


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never answers: a cache that hangs."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def away(settings: Settings, port: int) -> None:
    caches = deepcopy(settings.CACHES)
    caches["default"]["LOCATION"] = f"redis://127.0.0.1:{port}/0"
    caches["default"]["OPTIONS"]["socket_timeout"] = 0.3
    settings.CACHES = caches


def signed_in() -> Client:
    client = Client(raise_request_exception=False)
    sign_in(client, factories.person(roles=["security"]).user)
    return client


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_with_the_cache_away_a_page_says_so_and_the_session_goes_on(
    settings: Settings, as_login: AsLogin, request: pytest.FixtureRequest, how: str
) -> None:
    client, caches = signed_in(), settings.CACHES
    away(settings, request.getfixturevalue(how))
    with as_login("hitl_web"):
        answer = client.get(reverse("queue"))
        assert (answer.status_code, answer["Retry-After"]) == (503, "60")
        assert WORDS in text_of(answer)
        assert not answer.cookies, "nobody is signed out"
        settings.CACHES = caches
        assert client.get(reverse("queue")).status_code == 200


def test_with_the_cache_away_signing_in_and_scripts_are_told(
    settings: Settings, closed: int, as_login: AsLogin
) -> None:
    client = signed_in()
    away(settings, closed)
    with as_login("hitl_web"):
        body = {"login": "alice", "password": "correct horse"}
        stranger = Client(raise_request_exception=False)
        assert WORDS in text_of(stranger.post(reverse("account_login"), body))
        sent = client.post(reverse("passkey_add_start"), "{}", content_type="application/json")
    assert (sent.status_code, sent.json()["status"]) == (503, 503)
    assert "cache does not answer" in sent.json()["detail"]


def test_control_with_djangos_store_people_look_signed_out(
    settings: Settings, closed: int, as_login: AsLogin
) -> None:
    client = signed_in()
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    away(settings, closed)
    with as_login("hitl_web"):
        answer = Client(raise_request_exception=False)
        answer.cookies = client.cookies
        assert answer.get(reverse("queue"))["Location"].startswith(reverse("account_login"))


def test_another_error_is_still_ours(as_login: AsLogin, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in()
    monkeypatch.setattr("remediation.views.queue.views.render", None)
    with as_login("hitl_web"):
        answer = client.get(reverse("queue"))
    assert answer.status_code == 500
    assert "Something broke on our side" in text_of(answer)
