"""The simulated Okta as a target: two service apps with the documented rights, and worlds."""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import RSAKey
from pytest import MonkeyPatch

from audit.tlog.canonical import Json
from hitlportal.demo.servers.okta import OktaServer
from hitlportal.demo.servers.okta_api import App, User
from hitlportal.demo.servers.ports import LOOPBACK
from tests.executors.contract import World

ORG, OBSERVE, OPERATE = "acme", "0oaObserve", "0oaOperate"
DOC = Path(__file__).parents[2] / "docs" / "okta.md"


def scopes(app: str) -> set[str]:
    """Return an app's scopes, as docs/okta.md has them."""
    section = DOC.read_text("utf-8").partition("## Least rights")[2]
    found = re.search(r"```json\n(.*?)```", section, re.S)
    assert found is not None
    return set(json.loads(found[1])[app])


class OktaPlace:
    """The server, and the private keys of the apps."""

    def __init__(self, server: OktaServer) -> None:
        self.server, self.api = server, server.api
        self.keys = {name: generate_private_key(65537, 2048) for name in (OBSERVE, OPERATE)}
        for name, key in self.keys.items():
            self.api.apps[name] = App(name, key.public_key(), scopes(name))

    @property
    def observer(self) -> App:
        return self.api.apps[OBSERVE]

    @property
    def operator(self) -> App:
        return self.api.apps[OPERATE]


def pem(key: RSAPrivateKey) -> str:
    form = PrivateFormat.PKCS8
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def checks_keys_once(patch: MonkeyPatch) -> None:
    """Let a good key be read once: its check takes longer than all the rest of a look."""
    patch.setattr(RSAKey, "import_key", cache(RSAKey.import_key))


class OktaWorld(World):
    """A user with a session and tokens, and one that was deleted."""

    def __init__(self, action: str, directory: Path, place: OktaPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        status = "SUSPENDED" if action.endswith(".unsuspend") else "ACTIVE"
        self.user = User(f"ann-{uuid4().hex[:10]}@example.org", status)
        place.api.users[self.user.id] = self.user
        self.deleted = User(f"gone-{uuid4().hex[:10]}@example.org")
        place.api.note("user.lifecycle.delete.completed", self.deleted.id, "00uadmin")
        for name, file in ((OBSERVE, "observe.pem"), (OPERATE, "operate.pem")):
            (directory / file).write_text(pem(place.keys[name]))
        self._begins = len(place.api.requests)

    def close(self) -> None:
        self.place.api.users.pop(self.user.id, None)

    def _named(self, user: User) -> dict[str, Json]:
        return {"kind": "okta.user", "org": ORG, "login": user.login, "user_id": user.id}

    @property
    def target(self) -> dict[str, Json]:
        return self._named(self.user)

    @property
    def gone(self) -> dict[str, Json]:
        return self._named(self.deleted)

    def toml(self, port: int | None = None) -> str:
        url = self.place.server.url if port is None else f"http://{LOOPBACK}:{port}"
        return (
            f'[okta.{ORG}]\nurl = "{url}"\nsimulated = true\n'
            f'observe_client_id = "{OBSERVE}"\nobserve_key_file = "observe.pem"\n'
            f'operate_client_id = "{OPERATE}"\noperate_key_file = "operate.pem"\n'
            'operate_key_id = "k1"\n'
        )

    def look(self) -> object:
        return copy.deepcopy(self.user)

    def writes(self) -> list[str]:
        """Return the changing calls for this world's user that took effect."""
        return [
            f"{request.method} {request.path} by {who}"
            for request, who, answer in self.place.api.requests[self._begins :]
            if request.method != "GET" and self.user.id in request.path and answer.status < 300
        ]

    def changes(self) -> int:
        return len(self.writes())

    def log(self) -> list[Any]:
        """Return what the system log has about this world's user."""
        return [
            (one["eventType"], one["actor"]["id"])
            for one in self.place.api.log
            if one["target"][0]["id"] == self.user.id
        ]
