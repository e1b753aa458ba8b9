"""The requests of the simulated Entra: who asks, whether he may, and what the answer is.

A change shows only after some looks if `Api.lag` says so, as at Entra: its directory has copies.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

Object = dict[str, Any]
LIFE_SECONDS, MOST_JWT_SECONDS = 3599, 600
READ, WRITE, OWNED = (
    "Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy",
)  # fmt: skip


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    bearer: str = field(repr=False)
    form: dict[str, str] = field(default_factory=dict, repr=False)
    body: Any = None


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
    return Refusal(status, {"error": {"code": code, "message": said}})


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def credential(name: str) -> Object:
    return {
        "keyId": str(uuid4()), "displayName": name, "startDateTime": "2026-01-01T00:00:00Z",
        "endDateTime": "2028-01-01T00:00:00Z", "hint": "a1b", "secretText": None,
        "customKeyIdentifier": None,
    }  # fmt: skip


def federated(name: str) -> Object:
    return {
        "id": str(uuid4()), "name": name, "issuer": "https://token.example.org",
        "subject": "repo:acme/checkout", "audiences": ["api://AzureADTokenExchange"],
    }  # fmt: skip


@dataclass
class App:
    """An app of the worker: its key, its certificate's fingerprint, and its roles at Graph."""

    client_id: str
    key: RSAPublicKey
    thumbprint: str
    roles: set[str]


@dataclass
class Thing:
    """An application or a service principal: its properties, and the apps that own it."""

    kind: str
    shown: Object
    owners: set[str] = field(default_factory=set)
    deleted: str = ""
    federated: list[Object] = field(default_factory=list)


class Api:
    """A tenant of Entra: its directory, and a log of all requests."""

    def __init__(self) -> None:
        self.tenant_id = str(uuid4())
        self.things: dict[str, Thing] = {}
        self.apps: dict[str, App] = {}
        self.audit: list[tuple[str, str, str]] = []
        # The server's address.
        self.url = ""
        self._tokens: dict[str, App] = {}
        # How many looks at a changed thing still get its earlier copy.
        self.lag = 0
        self._earlier: dict[str, list[Object]] = {}
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
                if request.path == f"/{self.tenant_id}/oauth2/v2.0/token":
                    who, answer = self._token(request.form)
                else:
                    app = self._caller(request.bearer)
                    who, answer = app.client_id, self._answered(request, app)
            except Refusal as refused:
                answer = Answer(refused.status, refused.body)
            self.requests.append((request, who, answer))
            return answer

    # -- who asks ---------------------------------------------------------------------------------

    def _token(self, form: dict[str, str]) -> tuple[str, Answer]:
        app = self._signer(form.get("client_assertion", ""))
        if form.get("client_id") != app.client_id or form.get("scope") != f"{self.url}/.default":
            said = "AADSTS1002012: The provided value for scope is not valid."
            raise Refusal(400, {"error": "invalid_scope", "error_description": said})
        token = f"eyJ{secrets.token_urlsafe(40)}"
        self._tokens[token] = app
        said_: Object = {"token_type": "Bearer", "expires_in": LIFE_SECONDS}
        said_ |= {"ext_expires_in": LIFE_SECONDS, "access_token": token}
        return app.client_id, Answer(200, said_)

    def _signer(self, jwt: str) -> App:
        """Return the app that signed a JWT. Raises Refusal."""
        try:
            said, _, signature = jwt.rpartition(".")
            head, claims = (json.loads(_raw(part)) for part in said.split("."))
            app = self.apps[claims["iss"]]
            padding = PSS(MGF1(SHA256()), PSS.DIGEST_LENGTH)
            app.key.verify(_raw(signature), said.encode(), padding, SHA256())
            right = 0 < claims["exp"] - time.time() <= MOST_JWT_SECONDS
            right = right and claims["sub"] == claims["iss"] and head["alg"] == "PS256"
            right = right and claims["aud"] == f"{self.url}/{self.tenant_id}/oauth2/v2.0/token"
            right = right and head["x5t#S256"] == app.thumbprint and bool(claims["jti"])
            right = (
                right
                and claims["nbf"] <= time.time() < claims["exp"] <= claims["nbf"] + MOST_JWT_SECONDS
            )
        except (ValueError, KeyError, InvalidSignature):
            right = False
        if not right:
            said = "AADSTS700027: The certificate used to sign the client assertion is not known."
            raise Refusal(401, {"error": "invalid_client", "error_description": said})
        return app

    def _caller(self, bearer: str) -> App:
        found = self._tokens.get(bearer)
        if found is None:
            raise refusal(401, "InvalidAuthenticationToken", "Access token is empty or wrong.")
        return found

    # -- what is asked ----------------------------------------------------------------------------

    def _answered(self, request: Request, app: App) -> Answer:
        match request.method, request.path.strip("/").split("/"):
            case "GET", ["v1.0", ("applications" | "servicePrincipals") as kind, name]:
                return self._shown(self._thing(kind, name, app, {READ, WRITE}), name, request)
            case "GET", ["v1.0", "applications", name, "federatedIdentityCredentials"]:
                thing = self._thing("applications", name, app, {READ, WRITE})
                return Answer(200, {"value": thing.federated})
            case "GET", ["v1.0", "directory", "deletedItems", name]:
                return self._gone(name, app)
            case "PATCH", ["v1.0", "servicePrincipals", name]:
                thing = self._thing("servicePrincipals", name, app, {WRITE, OWNED})
                self._change(name, thing, {**thing.shown, **request.body})
                said = "Enable" if request.body["accountEnabled"] else "Disable"
                return self._done(f"{said} service principal", app, name)
            case "POST", ["v1.0", "applications", name, "removePassword"]:
                thing = self._thing("applications", name, app, {WRITE, OWNED})
                return self._remove(thing, name, request.body["keyId"], app)
        raise refusal(400, "BadRequest", "Resource not found for the segment.")

    def _thing(self, kind: str, name: str, app: App, roles: set[str]) -> Thing:
        """Return what an app may see or change. Raises Refusal."""
        found = self.things.get(name)
        held = app.roles & roles
        if not held or (held == {OWNED} and found and app.client_id not in found.owners):
            said = "Insufficient privileges to complete the operation."
            raise refusal(403, "Authorization_RequestDenied", said)
        if found is None or found.kind != kind or found.deleted:
            said = f"Resource '{name}' does not exist or one of its queried references is missing."
            raise refusal(404, "Request_ResourceNotFound", said)
        return found

    def _shown(self, thing: Thing, name: str, request: Request) -> Answer:
        copies = self._earlier.get(name) or [thing.shown]
        found = copies.pop(0)
        wanted = request.query.get("$select", "").split(",")
        return Answer(200, {each: found[each] for each in wanted if each in found})

    def _gone(self, name: str, app: App) -> Answer:
        if not app.roles & {READ, WRITE}:
            said = "Insufficient privileges to complete the operation."
            raise refusal(403, "Authorization_RequestDenied", said)
        found = self.things.get(name)
        if found is None or not found.deleted:
            raise refusal(404, "Request_ResourceNotFound", f"Resource '{name}' does not exist.")
        kind = f"#microsoft.graph.{found.kind.removesuffix('s')}"
        return Answer(200, {"@odata.type": kind, **found.shown, "deletedDateTime": found.deleted})

    def _remove(self, thing: Thing, name: str, key: str, app: App) -> Answer:
        held = thing.shown["passwordCredentials"]
        left = [one for one in held if one["keyId"] != key]
        if len(left) == len(held):
            raise refusal(400, "Request_BadRequest", "No password credential found with keyId.")
        self._change(name, thing, {**thing.shown, "passwordCredentials": left})
        return self._done("Update application - Certificates and secrets management", app, name)

    def _change(self, name: str, thing: Thing, shown: Object) -> None:
        self._earlier[name] = [thing.shown] * self.lag
        thing.shown = shown

    def _done(self, said: str, app: App, name: str) -> Answer:
        self.audit.append((said, app.client_id, name))
        return Answer(204)


def _raw(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
