"""What a real provider does at its client configuration endpoint (RFC 7592): docs/oauth.md has it.

The facts that the action oauth.client.delete is built on; test_oauth_client.py tries it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hitlportal.demo.servers.oauth import OAuthProvider
from tests.executors.oauth import SECRETS, OAuthPlace, seed
from tests.executors.oauth_client import MACHINE, PEOPLE, Registered
from tests.executors.oauth_client import register as _register

NOWHERE = "https://nowhere.invalid/"


def _running(home: Path, kind: str) -> Iterator[OAuthPlace]:
    provider = OAuthProvider(home, seed() | {"registration": kind})
    provider.start()
    try:
        provider.wait()
        yield OAuthPlace(provider, home)
    finally:
        provider.stop()


@pytest.fixture(scope="module")
def rotating(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthPlace]:
    """A provider with the toolkit's defaults."""
    yield from _running(tmp_path_factory.mktemp("dcr") / "oauth", "rotates")


@pytest.fixture(scope="module")
def staying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthPlace]:
    yield from _running(tmp_path_factory.mktemp("dcr") / "oauth", "stays")


def test_reading_rotates_nothing_and_shows_no_client_secret(rotating: OAuthPlace) -> None:
    client = _register(rotating, MACHINE)

    answers = [client.call("GET") for _ in range(2)]

    assert answers[0] == answers[1]
    assert answers[0][0] == 200
    # The registration token comes back in clear.
    assert answers[0][1]["registration_access_token"] == client.token
    assert answers[0][1]["registration_client_uri"] == f"{rotating.provider.url}{client.path}"
    assert client.secret not in json.dumps(answers)
    # Nothing here but the id tells two clients with the same metadata apart.
    assert not {"client_id_issued_at", "client_secret_expires_at"} & set(answers[0][1])


def test_a_change_ends_the_registration_token(rotating: OAuthPlace) -> None:
    client = _register(rotating, MACHINE)

    status, found = client.call("PUT", MACHINE | {"client_name": "renamed"})

    assert status == 200
    assert found["registration_access_token"] != client.token
    assert client.call("GET")[0] == 401
    assert client.call("GET", token=found["registration_access_token"])[0] == 200


def test_a_change_keeps_the_registration_token_where_the_provider_is_set_so(
    staying: OAuthPlace,
) -> None:
    client = _register(staying, MACHINE)

    status, found = client.call("PUT", MACHINE | {"client_name": "renamed"})

    assert (status, found["registration_access_token"]) == (200, client.token)
    assert client.call("GET")[1]["client_name"] == "renamed"


@pytest.mark.parametrize(
    "emptied",
    [
        {"grant_types": []},
        {"grant_types": [], "response_types": [], "redirect_uris": []},
        {"grant_types": ["refresh_token"]},
        {"redirect_uris": []},
    ],
)
def test_a_client_cannot_be_emptied(staying: OAuthPlace, emptied: dict[str, Any]) -> None:
    client = _register(staying, MACHINE)
    before = client.call("GET")

    status, found = client.call("PUT", emptied)

    assert (status, found["error"]) == (400, "invalid_client_metadata")
    assert client.call("GET") == before
    assert client.gets_token(grant_type="client_credentials")[0] == 200


def test_another_grant_leaves_the_old_tokens_alive(staying: OAuthPlace) -> None:
    client = _register(staying, PEOPLE)
    tokens = client.signed_in()
    away = {"grant_types": ["authorization_code"], "redirect_uris": [NOWHERE]}

    status, _ = client.call("PUT", away)

    assert status == 200
    assert staying.is_active(tokens["access_token"])
    again = client.gets_token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert again[0] == 200  # and it gets new ones


def test_deleting_ends_the_client_and_each_of_its_tokens(rotating: OAuthPlace) -> None:
    client, other = _register(rotating, PEOPLE), _register(rotating, PEOPLE)
    tokens, others = client.signed_in(), other.signed_in()

    assert client.call("DELETE") == (204, {})

    assert client.call("GET")[0] == 401  # with its token ended, and no 404 that says so
    assert client.call("DELETE")[0] == 401
    assert not rotating.is_active(tokens["access_token"])
    assert rotating.row(tokens["access_token"]) == rotating.row(tokens["refresh_token"]) == []
    refused = client.gets_token(grant_type="refresh_token", refresh_token=tokens["refresh_token"])
    assert refused == (401, {"error": "invalid_client"})
    assert rotating.is_active(others["access_token"])
    assert other.call("GET")[0] == 200


def test_the_same_answer_to_a_wrong_token_and_to_a_client_that_is_gone(
    rotating: OAuthPlace,
) -> None:
    client, gone = _register(rotating, MACHINE), _register(rotating, MACHINE)
    gone.call("DELETE")

    assert client.call("GET", token=gone.token) == gone.call("GET")
    # Another client's token is not let in either.
    other = _register(rotating, MACHINE)
    assert client.call("DELETE", token=other.token)[0] == 401
    assert client.call("GET")[0] == 200


def test_a_client_that_an_operator_made_has_no_such_endpoint(rotating: OAuthPlace) -> None:
    client = _register(rotating, MACHINE)
    made = Registered(rotating, "shop", SECRETS["shop"], client.token)

    assert made.call("GET")[0] == made.call("DELETE")[0] == 401


def test_the_log_has_the_calls_and_no_token(rotating: OAuthPlace) -> None:
    client = _register(rotating, MACHINE)
    client.call("DELETE")

    log = rotating.provider.log.read_text(encoding="utf-8")
    assert [(one["method"], one["status"]) for one in rotating.provider.calls(client.path)] == [
        ("DELETE", 204)
    ]
    assert client.token not in log
    assert client.secret not in log
