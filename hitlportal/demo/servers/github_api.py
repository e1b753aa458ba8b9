"""The requests of the simulated GitHub: who asks, whether he may, and what the answer is.

As GitHub does, it answers 404 to a login that may not look at something, and names the missing
right only where the login may look. Names are compared without their case.
"""

from __future__ import annotations

import base64
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256

from hitlportal.demo.servers.github_state import (
    App,
    Grant,
    Installation,
    Object,
    Organisation,
    now,
    repository,
)

LIFE_SECONDS, MOST_JWT_SECONDS = 3600, 600
PER_PAGE, MOST_PER_PAGE = 30, 100
LEVELS = {"read": 1, "write": 2}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    bearer: str = field(repr=False)
    body: Any = None


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class Refusal(Exception):
    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True)
class Caller:
    """Who asks: an App by itself, or one of its installations with a token's rights."""

    name: str = ""
    app: App | None = None
    installation: Installation | None = None
    permissions: dict[str, str] = field(default_factory=dict)
    repositories: frozenset[str] | None = None


NOT_FOUND = (404, "Not Found")


class Api:
    """GitHub: organisations, Apps and their installations, and a log of all requests."""

    def __init__(self) -> None:
        self.organisations: dict[str, Organisation] = {}
        self.apps: list[App] = []
        self.installations: dict[int, Installation] = {}
        self._tokens: dict[str, tuple[Caller, float]] = {}
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
            who = Caller()
            try:
                who = self._caller(request.bearer)
                answer = self._answered(request, who)
            except Refusal as refusal:
                body = {"message": refusal.message, "documentation_url": "https://docs.example/"}
                answer = Answer(refusal.status, body, refusal.headers)
            self.requests.append((request, who.name, answer))
            return answer

    # -- who asks ---------------------------------------------------------------------------------

    def _caller(self, bearer: str) -> Caller:
        if not bearer:
            return Caller()
        if bearer in self._tokens:
            caller, ends = self._tokens[bearer]
            if time.time() > ends:
                raise Refusal(401, "Bad credentials")
            if caller.installation is not None and caller.installation.suspended_at:
                raise Refusal(403, "This installation has been suspended")
            return caller
        for org in self.organisations.values():
            for grant in org.grants.values():
                if grant.text == bearer:
                    return Caller(f"token {grant.token_id}")
        app = self._app_of(bearer)
        return Caller(app.slug, app)

    def _app_of(self, jwt: str) -> App:
        """Return the App that signed a JWT. Raises Refusal."""
        try:
            said, _, signature = jwt.rpartition(".")
            head, claims = (json.loads(_raw(part)) for part in said.split("."))
            app = next(each for each in self.apps if each.client_id == claims["iss"])
            app.key.verify(_raw(signature), said.encode(), PKCS1v15(), SHA256())
            left = claims["exp"] - time.time()
            in_time = 0 < left <= MOST_JWT_SECONDS and claims["iat"] <= time.time()
        except (ValueError, KeyError, StopIteration, InvalidSignature):
            raise Refusal(401, "A JSON web token could not be decoded") from None
        if head.get("alg") != "RS256" or not in_time:
            raise Refusal(401, "'Expiration time' claim ('exp') is too far in the future")
        return app

    # -- what is asked ----------------------------------------------------------------------------

    def _answered(self, request: Request, who: Caller) -> Answer:
        parts = request.path.strip("/").split("/")
        match request.method, parts:
            case "GET", ["app"]:
                return Answer(200, self._own(who).shown())
            case "POST", ["app", "installations", number, "access_tokens"]:
                return self._token(self._installation(who, number), request.body or {})
            case ((("PUT" | "DELETE") as method), ["app", "installations", number, "suspended"]):
                return self._suspend(self._installation(who, number), method == "PUT", who)
            case _, ["orgs", org, *rest]:
                return self._of_organisation(request, who, org, rest)
            case method, ["repos", org, name, "keys", *rest]:
                return self._keys(request, who, org, name, [method, *rest])
        raise Refusal(*NOT_FOUND)

    def _of_organisation(self, request: Request, who: Caller, org: str, parts: list[str]) -> Answer:
        match request.method, parts:
            case "GET", ["installations"]:
                return self._installations(request, self._may(who, org, _ORG_ADMIN, "read"))
            case "GET", ["personal-access-tokens"]:
                return _grants(request, self._may(who, org, _TOKENS, "read"))
            case "GET", ["personal-access-tokens", number, "repositories"]:
                return _reached(request, self._may(who, org, _TOKENS, "read"), number)
            case "POST", ["personal-access-tokens", number]:
                return _revoke(self._may(who, org, _TOKENS, "write"), number, request.body, who)
        raise Refusal(*NOT_FOUND)

    def _own(self, who: Caller) -> App:
        if who.app is None:
            raise Refusal(401, "A JSON web token could not be decoded")
        return who.app

    def _installation(self, who: Caller, number: str) -> Installation:
        app = self._own(who)
        found = self.installations.get(int(number)) if number.isdigit() else None
        if found is None or found.app is not app:
            raise Refusal(*NOT_FOUND)
        return found

    def _organisation(self, name: str) -> Organisation:
        found = self.organisations.get(name.lower())
        if found is None:
            raise Refusal(*NOT_FOUND)
        return found

    def _may(self, who: Caller, name: str, right: str, level: str) -> Organisation:
        """Return the organisation that a login may look at. Raises Refusal."""
        found = self._organisation(name)
        if who.installation is None or who.installation.org != found.login:
            raise Refusal(*NOT_FOUND)
        if LEVELS.get(who.permissions.get(right, ""), 0) < LEVELS[level]:
            needs = {"x_accepted_github_permissions": f"{right}={level}"}
            raise Refusal(403, "Resource not accessible by integration", **needs)
        return found

    def _token(self, at: Installation, body: Object) -> Answer:
        if at.suspended_at:
            raise Refusal(403, "This installation has been suspended")
        asked = body.get("permissions", at.permissions)
        for right, level in asked.items():
            if LEVELS[level] > LEVELS.get(at.permissions.get(right, ""), 0):
                raise Refusal(
                    422, "The permissions requested are not granted to this installation."
                )
        names = body.get("repositories")
        held = self.organisations[at.org].repositories
        covered = set(held) if at.repositories is None else at.repositories & set(held)
        if names is not None and not {name.lower() for name in names} <= covered:
            raise Refusal(422, "There is at least one repository that does not exist")
        text = f"ghs_{secrets.token_hex(18)}"
        cut = frozenset(covered if names is None else names)
        caller = Caller(at.app.slug, None, at, {**asked, "metadata": "read"}, cut)
        ends = time.time() + LIFE_SECONDS
        self._tokens[text] = (caller, ends)
        ends_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends))
        selection = at.selection if names is None else "selected"
        return Answer(201, {"token": text, "expires_at": ends_at, "permissions": caller.permissions,
                            "repository_selection": selection})  # fmt: skip

    def _suspend(self, at: Installation, suspended: bool, who: Caller) -> Answer:
        if at.suspended_at and at.suspended_by != who.name:
            # What a person suspended in the settings, only a person lifts. No status is described.
            raise Refusal(403, "This installation was suspended by its owner")
        at.suspended_at, at.suspended_by = (now(), who.name) if suspended else (None, "")
        said = "suspend" if suspended else "unsuspend"
        self.organisations[at.org].audit.append(
            {"action": f"integration_installation.{said}", "actor": who.name, "id": at.id}
        )
        return Answer(204)

    def _installations(self, request: Request, org: Organisation) -> Answer:
        found = [one.shown() for one in self.installations.values() if one.org == org.login]
        page = _paged(request, found)
        body = {"total_count": len(found), "installations": page.body}
        return Answer(200, body, page.headers)

    def _keys(self, request: Request, who: Caller, at: str, name: str, asked: list[str]) -> Answer:
        level = "read" if asked[0] == "GET" else "write"
        org = self._may(who, at, "administration", level)
        keys = org.repositories.get(name.lower())
        if keys is None or name.lower() not in (who.repositories or ()):
            raise Refusal(*NOT_FOUND)
        if asked == ["GET"]:
            return _paged(request, [*keys.values()])
        key = keys.get(int(asked[1])) if len(asked) == 2 and asked[1].isdigit() else None
        if key is None:
            raise Refusal(*NOT_FOUND)
        if asked[0] == "DELETE":
            del keys[key["id"]]
            said = {"action": "public_key.delete", "actor": who.name, "id": key["id"]}
            org.audit.append(said)
            return Answer(204)
        return Answer(200, key)


_ORG_ADMIN, _TOKENS = "organization_administration", "organization_personal_access_tokens"


def _grants(request: Request, org: Organisation) -> Answer:
    wanted = request.query.get("token_id", "")
    found = [one for one in org.grants.values() if wanted in ("", str(one.token_id))]
    return _paged(request, [one.shown() for one in found])


def _reached(request: Request, org: Organisation, number: str) -> Answer:
    found = org.grants.get(int(number)) if number.isdigit() else None
    if found is None:
        raise Refusal(*NOT_FOUND)
    return _paged(request, [repository(org.login, name) for name in found.repositories])


def _revoke(org: Organisation, number: str, body: Any, who: Caller) -> Answer:
    found: Grant | None = org.grants.get(int(number)) if number.isdigit() else None
    if found is None:
        raise Refusal(*NOT_FOUND)
    if body != {"action": "revoke"}:
        raise Refusal(422, "Invalid request")
    del org.grants[found.id]
    said = {"action": "personal_access_token.access_revoked", "actor": who.name, "id": found.id}
    org.audit.append(said)
    return Answer(204)


def _paged(request: Request, found: list[Any]) -> Answer:
    size = min(int(request.query.get("per_page", PER_PAGE)), MOST_PER_PAGE)
    page = int(request.query.get("page", 1))
    more = page * size < len(found)
    link = f'<https://api.github.example{request.path}?page={page + 1}>; rel="next"'
    return Answer(200, found[(page - 1) * size : page * size], {"Link": link} if more else {})


def _raw(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
