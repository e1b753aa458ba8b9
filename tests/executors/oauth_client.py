"""Clients that registered themselves at a real OAuth provider, and the world of their deletion."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from audit.tlog.canonical import Json
from hitlportal.demo.servers.ports import LOOPBACK
from tests.executors.contract import World
from tests.executors.oauth import INTROSPECT, ISSUER, REVOKE, SECRETS, OAuthPlace, sha256

MACHINE = {"client_name": "batch", "grant_types": ["client_credentials"]}
PEOPLE = {"client_name": "shop", "grant_types": ["password"]}


@dataclass
class Registered:
    """A client that registered itself, and the registration token that it has now."""

    place: OAuthPlace
    client_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)

    @property
    def path(self) -> str:
        return f"/o/register/{self.client_id}/"

    def call(self, method: str, body: object = None, token: str = "") -> tuple[int, dict[str, Any]]:
        return _call(self.place, method, self.path, body, token or self.token)

    def gets_token(self, **form: str) -> tuple[int, dict[str, Any]]:
        """Ask for tokens as the client."""
        login = {"client_id": self.client_id, "client_secret": self.secret}
        return _call(self.place, "POST", "/o/token/", urlencode(login | form).encode())

    def signed_in(self, scope: str = "read") -> dict[str, Any]:
        status, found = self.gets_token(
            grant_type="password", username="ann", password="pw-of-ann", scope=scope
        )
        assert status == 200, found
        return found


def _call(
    place: OAuthPlace, method: str, path: str, body: object = None, token: str = ""
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    if data is not None and not isinstance(body, bytes):
        headers["Content-Type"] = "application/json"
    request = Request(f"{place.provider.url}{path}", data, headers, method=method)
    try:
        answer = build_opener(ProxyHandler({})).open(request, timeout=20)
    except HTTPError as refusal:
        answer = refusal
    with answer:
        return answer.status, json.loads(answer.read() or b"{}")


def register(place: OAuthPlace, metadata: dict[str, Any]) -> Registered:
    status, found = _call(place, "POST", "/o/register/", metadata)
    assert status == 201, found
    return Registered(
        place, found["client_id"], found["client_secret"], found["registration_access_token"]
    )


class OAuthClientWorld(World):
    """A client that registered itself, with a token that an operator put there."""

    says_gone = False  # a client is seen by its tokens only

    def __init__(
        self, action: str, directory: Path, place: OAuthPlace, scope: str = "read"
    ) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.client = register(place, PEOPLE)
        given = self.client.signed_in(scope)
        self.token, self.refresh, self.more = given["access_token"], given["refresh_token"], ""
        (directory / "tokens").mkdir(mode=0o700)
        self.put(self.token)
        (directory / "operate.registration").write_text(self.client.token)
        (directory / "observer.secret").write_text(SECRETS["hitl-observe"])
        self._begins = len(place.provider.calls())

    def put(self, token: str) -> None:
        """Put a token there, as an operator does."""
        (self.directory / "tokens" / sha256(token)).write_text(token)

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "oauth.client", "issuer": ISSUER, "client_id": self.client.client_id}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "client_id": "no-such-client"}

    @property
    def parameters(self) -> dict[str, Json]:
        return {"tokens": [sha256(self.token)]}

    def toml(self, port: int | None = None) -> str:
        url = self.place.provider.url if port is None else f"http://{LOOPBACK}:{port}"
        return (
            f'[oauth.{ISSUER}]\nintrospection_endpoint = "{url}{INTROSPECT}"\n'
            f'revocation_endpoint = "{url}{REVOKE}"\ntokens_dir = "tokens"\n'
            'observe_client_id = "hitl-observe"\nobserve_client_secret_file = "observer.secret"\n'
            f"{self.more}"
            f'[oauth.{ISSUER}.clients."{self.client.client_id}"]\n'
            f'client_configuration_endpoint = "{url}{self.client.path}"\n'
            'registration_token_file = "operate.registration"\n'
        )

    def look(self) -> object:
        return self.place.row(self.token), self.place.row(self.refresh)

    def changes(self) -> int:
        calls = self.place.provider.calls()[self._begins :]
        return len([one for one in calls if one["path"] == self.client.path])
