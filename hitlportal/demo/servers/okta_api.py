"""The requests of the simulated Okta: who asks, whether he may, and what the answer is.

An app needs the scope and an admin role that reaches the user. As Okta does, it answers 404 to an
app whose role does not reach a user.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

Object = dict[str, Any]
LIFE_SECONDS = MOST_JWT_SECONDS = 3600
_numbers = itertools.count(1)
_TERM = re.compile(r'([A-Za-z.]+) eq "([^"]*)"')


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    bearer: str = field(repr=False)
    form: dict[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    def __init__(self, status: int, body: Object) -> None:
        super().__init__(status)
        self.status, self.body = status, body


def refusal(status: int, code: str, said: str) -> Refusal:
    body = {"errorCode": code, "errorSummary": said, "errorLink": code, "errorCauses": []}
    return Refusal(status, {**body, "errorId": f"oae{secrets.token_hex(8)}"})


def now() -> str:
    """Return the time as Okta writes it, with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class App:
    """A service app: its key, its granted scopes, and whether its admin role reaches users."""

    client_id: str
    key: RSAPublicKey
    scopes: set[str]
    reaches_users: bool = True
    is_super: bool = False


@dataclass
class User:
    login: str
    status: str = "ACTIVE"
    roles: list[str] = field(default_factory=list)
    sessions: int = 1
    oauth_tokens: int = 1
    id: str = field(default_factory=lambda: f"00u{next(_numbers):017}")
    status_changed: str = field(default_factory=now)

    def shown(self) -> Object:
        first, _, _ = self.login.partition("@")
        return {
            "id": self.id, "status": self.status, "created": self.status_changed,
            "activated": None, "statusChanged": self.status_changed,
            "lastLogin": "2026-11-20T08:15:00.000Z", "lastUpdated": self.status_changed,
            "passwordChanged": "2026-05-02T10:00:00.000Z", "type": {"id": "oty1default0000000h7"},
            "profile": {"login": self.login, "email": self.login, "firstName": first,
                        "lastName": "Example", "mobilePhone": None, "secondEmail": None},
            "credentials": {"provider": {"type": "OKTA", "name": "OKTA"}},
            "_links": {"self": {"href": f"https://acme.okta.example/api/v1/users/{self.id}"}},
        }  # fmt: skip


class Api:
    """An organisation at Okta: users, service apps, its system log, and a log of all requests."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.apps: dict[str, App] = {}
        self.log: list[Object] = []
        # Where apps sign in; the server's address.
        self.audience = ""
        self._tokens: dict[str, tuple[App, set[str]]] = {}
        # In the order of the answers.
        self.requests: list[tuple[Request, str, Answer]] = []
        # Called before a request is answered; tests let the world change in between.
        self.before: Callable[[Request], None] | None = None
        # Whether an answer is lost after it took effect.
        self.loses: Callable[[Request], bool] = lambda request: False
        self._lock = threading.RLock()

    def answer(self, request: Request) -> Answer:
        if self.before is not None:
            self.before(request)
        with self._lock:
            who = ""
            try:
                if request.path == "/oauth2/v1/token" and request.method == "POST":
                    who, answer = self._token(request.form)
                else:
                    app, scopes = self._caller(request.bearer)
                    who, answer = app.client_id, self._answered(request, app, scopes)
            except Refusal as refused:
                answer = Answer(refused.status, refused.body)
            self.requests.append((request, who, answer))
            return answer

    def note(self, kind: str, user_id: str, by: str) -> None:
        """Write an event into the system log."""
        self.log.append(
            {
                "uuid": secrets.token_hex(16), "published": now(), "eventType": kind,
                "version": "0", "severity": "INFO", "outcome": {"result": "SUCCESS"},
                "actor": {"id": by, "type": "PublicClientApp", "alternateId": by},
                "target": [{"id": user_id, "type": "User"}],
            }
        )  # fmt: skip

    # -- who asks ---------------------------------------------------------------------------------

    def _token(self, form: dict[str, str]) -> tuple[str, Answer]:
        app = self._signer(form.get("client_assertion", ""))
        asked = set(form.get("scope", "").split())
        if form.get("grant_type") != "client_credentials" or not asked <= app.scopes or not asked:
            said = "One or more scopes are not configured for the authorization server resource."
            raise Refusal(400, {"error": "invalid_scope", "error_description": said})
        token = f"eyJ{secrets.token_urlsafe(40)}"
        self._tokens[token] = (app, asked)
        scope = " ".join(sorted(asked))
        said_: Object = {"token_type": "Bearer", "expires_in": LIFE_SECONDS, "scope": scope}
        return app.client_id, Answer(200, {**said_, "access_token": token})

    def _signer(self, jwt: str) -> App:
        """Return the app that signed a JWT. Raises Refusal."""
        try:
            said, _, signature = jwt.rpartition(".")
            head, claims = (json.loads(_raw(part)) for part in said.split("."))
            app = self.apps[claims["iss"]]
            app.key.verify(_raw(signature), said.encode(), PKCS1v15(), SHA256())
            in_time = 0 < claims["exp"] - time.time() <= MOST_JWT_SECONDS
            right = claims["sub"] == claims["iss"] and claims["aud"] == self.audience
        except (ValueError, KeyError, InvalidSignature):
            in_time = right = False
            head = {}
        if head.get("alg") != "RS256" or not in_time or not right:
            said = "The client_assertion is invalid."
            raise Refusal(401, {"error": "invalid_client", "error_description": said})
        return app

    def _caller(self, bearer: str) -> tuple[App, set[str]]:
        found = self._tokens.get(bearer)
        if found is None:
            raise refusal(401, "E0000011", "Invalid token provided")
        return found

    # -- what is asked ----------------------------------------------------------------------------

    def _answered(self, request: Request, app: App, scopes: set[str]) -> Answer:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["api", "v1", "logs"]:
                _need(scopes, "okta.logs.read")
                return Answer(200, self._events(request.query))
            case "GET", ["api", "v1", "users", name]:
                _need(scopes, "okta.users.read")
                return Answer(200, self._user(app, name).shown())
            case "GET", ["api", "v1", "users", name, "roles"]:
                _need(scopes, "okta.roles.read")
                return Answer(200, [_role(each) for each in self._user(app, name).roles])
            case "POST", [
                "api",
                "v1",
                "users",
                name,
                "lifecycle",
                ("suspend" | "unsuspend") as how,
            ]:
                _need(scopes, "okta.users.manage")
                return self._lifecycle(app, self._user(app, name), how)
            case "DELETE", ["api", "v1", "users", name, "sessions"]:
                _need(scopes, "okta.users.manage")
                return self._clear(app, self._user(app, name), request.query)
        raise refusal(405, "E0000022", "The endpoint does not support the provided HTTP method")

    def _user(self, app: App, name: str) -> User:
        """Return a user by id or login, as Okta does."""
        found = self.users.get(name) or next(
            (each for each in self.users.values() if each.login.lower() == name.lower()), None
        )
        if found is None or not app.reaches_users:
            raise refusal(404, "E0000007", f"Not found: Resource not found: {name} (User)")
        return found

    def _may_change(self, app: App, user: User) -> None:
        if user.roles and not app.is_super:
            raise refusal(403, "E0000006", "You do not have permission to perform this action")

    def _lifecycle(self, app: App, user: User, how: str) -> Answer:
        self._may_change(app, user)
        old, new = ("ACTIVE", "SUSPENDED") if how == "suspend" else ("SUSPENDED", "ACTIVE")
        if user.status != old:
            said = f"Cannot {how} a user that is not {old.lower()}"
            raise refusal(400, "E0000001", f"Api validation failed: {said}")
        user.status, user.status_changed = new, now()
        self.note(f"user.lifecycle.{how}", user.id, app.client_id)
        return Answer(200)

    def _clear(self, app: App, user: User, query: dict[str, str]) -> Answer:
        self._may_change(app, user)
        user.sessions = 0
        if query.get("oauthTokens") == "true":
            user.oauth_tokens = 0
        self.note("user.session.clear", user.id, app.client_id)
        return Answer(204)

    def _events(self, query: dict[str, str]) -> list[Object]:
        wanted = dict(_TERM.findall(query.get("filter", "")))
        # Not compared as texts: a fraction comes before the Z.
        since = datetime.fromisoformat(query.get("since", "1970-01-01T00:00:00Z"))
        found = [
            one for one in reversed(self.log)
            if datetime.fromisoformat(one["published"]) >= since
            and wanted.get("eventType", one["eventType"]) == one["eventType"]
            and wanted.get("target.id", one["target"][0]["id"]) == one["target"][0]["id"]
            and wanted.get("actor.id", one["actor"]["id"]) == one["actor"]["id"]
        ]  # fmt: skip
        return found[: int(query.get("limit", "100"))]


def _need(scopes: set[str], scope: str) -> None:
    if scope not in scopes:
        raise refusal(403, "E0000006", "You do not have permission to perform this action")


def _role(kind: str) -> Object:
    label = kind.replace("_", " ").title()
    return {
        "id": f"ra1{kind.lower()}", "label": label, "type": kind, "status": "ACTIVE",
        "created": now(), "lastUpdated": now(), "assignmentType": "USER",
    }  # fmt: skip


def _raw(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
