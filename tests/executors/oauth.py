"""A real OAuth provider as a target, with tokens of its clients, and the world of the action."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener
from uuid import uuid4

from audit.tlog.canonical import Json
from hitlportal.demo.servers.oauth import OAuthProvider
from hitlportal.demo.servers.ports import LOOPBACK
from tests.executors.contract import World

ISSUER, REVOKE, INTROSPECT = "login", "/o/revoke_token/", "/o/introspect/"
DOC = (Path(__file__).parents[2] / "docs" / "oauth.md").read_text("utf-8")
# Signs must survive: in the header they are encoded, see RFC 6749, 2.3.1.
SECRETS = {
    "shop": "s+e%c:r/e&t=shop-0123456789",
    "other": "secret-of-another-client",
    "app": "",
    "odd: id/%2F+&=": "odd: secret/%2F+&=",
    "hitl-observe": "secret-of-the-observer",
}
BEARERS = {"introspection": "bearer-that-may-introspect", "read": "bearer-that-may-only-read"}


def seed() -> dict[str, Any]:
    """Return clients as docs/oauth.md describes them, and a user."""
    grants = {"hitl-observe": observers_grant()}
    return {
        "clients": [
            {"id": name, "secret": secret, "grant": grants.get(name, "password")}
            for name, secret in SECRETS.items()
        ],
        "users": [{"name": "ann", "password": "pw-of-ann"}],
        "tokens": [
            {"client": "hitl-observe", "scope": scope, "token": token}
            for scope, token in BEARERS.items()
        ],
    }


def observers_grant() -> str:
    """Return the grant of the observer's client, as docs/oauth.md has it."""
    found = re.search(r"createapplication confidential (\S+) --client-id hitl-observe", DOC)
    assert found is not None
    return found[1]


@dataclass(frozen=True)
class Grant:
    """What the provider gave to a client for a user."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)


def sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass
class OAuthPlace:
    """The running provider."""

    provider: OAuthProvider
    home: Path

    def post(self, path: str, client: str, **form: str) -> tuple[int, dict[str, Any]]:
        """Call the provider as a client, without the worker's code."""
        request = Request(
            f"{self.provider.url}{path}",
            data=urlencode({"client_id": client, "client_secret": SECRETS[client]} | form).encode(),
        )
        try:
            answer = build_opener(ProxyHandler({})).open(request, timeout=20)
        except HTTPError as refusal:
            answer = refusal
        with answer:
            return answer.status, json.loads(answer.read() or b"{}")

    def grant(self, client: str = "shop", scope: str = "read") -> Grant:
        """Sign the user in, and return the tokens that the client gets."""
        status, found = self.post(
            "/o/token/", client, grant_type="password", username="ann", password="pw-of-ann",
            scope=scope,
        )  # fmt: skip
        assert status == 200, found
        return Grant(found["access_token"], found["refresh_token"])

    def refreshes(self, grant: Grant, client: str = "shop") -> bool:
        """Return whether the refresh token is still good. It is used, so it is another one then."""
        form = {"grant_type": "refresh_token", "refresh_token": grant.refresh}
        return self.post("/o/token/", client, **form)[0] == 200

    def row(self, token: str) -> list[tuple[Any, ...]]:
        """Return what the provider's database has of a token."""
        ask = (
            "SELECT 'access', id, scope FROM oauth2_provider_accesstoken WHERE token_checksum = ?1"
            " UNION ALL SELECT 'refresh', id, revoked FROM oauth2_provider_refreshtoken"
            " WHERE token_checksum = ?1"
        )
        database = f"file:{self.home / 'db.sqlite3'}?mode=ro"
        with closing(sqlite3.connect(database, uri=True, timeout=20)) as connection:
            return connection.execute(ask, [sha256(token)]).fetchall()

    def is_active(self, token: str, path: str = INTROSPECT) -> bool:
        status, found = self.post(path, "hitl-observe", token=token)
        assert status == 200
        return bool(found["active"])


def running(directory: Path) -> Iterator[OAuthPlace]:
    """Run a provider as long as the tests need it."""
    provider = OAuthProvider(directory / "oauth", seed() | {"registration": "rotates"})
    provider.start()
    try:
        provider.wait()
        yield OAuthPlace(provider, directory / "oauth")
    finally:
        provider.stop()


class OAuthWorld(World):
    """A user's tokens, the access token among those that operators put there."""

    def __init__(
        self, action: str, directory: Path, place: OAuthPlace, client: str = "shop",
        scope: str = "read",
    ) -> None:  # fmt: skip
        self.action, self.directory, self.place = action, directory, place
        self.grant = place.grant(client, scope)
        self.token, self.introspect, self.more = self.grant.access, INTROSPECT, ""
        (directory / "tokens").mkdir(mode=0o700)
        self.put(self.token)
        (directory / "operate.secret").write_text(SECRETS["shop"])
        (directory / "observer.secret").write_text(SECRETS["hitl-observe"])
        self._begins = len(place.provider.calls())

    def put(self, token: str, *others: str) -> Path:
        """Put a token there, as an operator does."""
        path = self.directory / "tokens" / sha256(token)
        path.write_text("\n".join([token, *map(sha256, others)]) + "\n")
        return path

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "oauth.token", "issuer": ISSUER, "sha256": sha256(self.token)}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "sha256": sha256(uuid4().hex)}

    def toml(self, port: int | None = None) -> str:
        url = self.place.provider.url if port is None else f"http://{LOOPBACK}:{port}"
        return (
            f'[oauth.{ISSUER}]\nintrospection_endpoint = "{url}{self.introspect}"\n'
            f'revocation_endpoint = "{url}{REVOKE}"\ntokens_dir = "tokens"\n'
            'observe_client_id = "hitl-observe"\nobserve_client_secret_file = "observer.secret"\n'
            f"{self.more}"
            f'[oauth.{ISSUER}.clients.shop]\noperate_client_secret_file = "operate.secret"\n'
        )

    def look(self) -> object:
        return self.place.row(self.token), self.place.row(self.grant.refresh)

    def changes(self) -> int:
        calls = self.place.provider.calls()[self._begins :]
        return len([one for one in calls if one["path"] == REVOKE])


def jwt(claims: dict[str, Any], header: dict[str, Any] | None = None) -> str:
    """Return a token with these claims and no right signature."""
    parts = [json.dumps(one).encode() for one in (header or {"alg": "RS256"}, claims)]
    return ".".join(base64.urlsafe_b64encode(one).decode().rstrip("=") for one in (*parts, b"sign"))
