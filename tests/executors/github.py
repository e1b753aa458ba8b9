"""The simulated GitHub as a target: three Apps with the documented rights, and worlds."""

from __future__ import annotations

import base64
import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pytest import MonkeyPatch

from audit.tlog.canonical import Json
from hitlportal.demo.servers.github import GithubServer
from hitlportal.demo.servers.github_state import App, Grant, Installation, Organisation, new_id, now
from hitlportal.demo.servers.ports import LOOPBACK
from remediation.executors import github_server
from tests.executors.contract import World

ORG, GONE, BOT = "acme", "acme-gone", "deploy-bot"
OBSERVE, OPERATE = "hitl-observe", "hitl-operate"
DOC = Path(__file__).parents[2] / "docs" / "github.md"
CHANGING = re.compile(r"/(?:suspended|keys/\d+|personal-access-tokens/\d+)$")


def rights(app: str) -> dict[str, str]:
    """Return an App's permissions, as docs/github.md has them."""
    section = DOC.read_text("utf-8").partition("## Least rights")[2]
    found = re.search(r"```json\n(.*?)```", section, re.S)
    assert found is not None
    said: dict[str, dict[str, str]] = json.loads(found[1])
    return said[app]


def public_key(seed: str) -> str:
    """Return the line of a public key of an ed25519 key pair that nobody has."""
    raw = seed.encode().ljust(32, b".")[:32]
    parts = (b"ssh-ed25519", raw)
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


class GithubPlace:
    """The server, and the private keys of the Apps."""

    def __init__(self, server: GithubServer) -> None:
        self.server, self.api = server, server.api
        self.keys = {name: generate_private_key(65537, 2048) for name in (OBSERVE, OPERATE, BOT)}
        self.apps = {
            name: App(name, f"Iv23li{name.replace('-', '')}", key.public_key())
            for name, key in self.keys.items()
        }
        self.api.apps += self.apps.values()
        self.org = self.api.organisations[ORG] = Organisation(ORG)
        self.installed = {name: self.install(name, rights(name)) for name in (OBSERVE, OPERATE)}

    def install(self, app: str, permissions: dict[str, str]) -> Installation:
        made = Installation(self.apps[app], ORG, permissions)
        self.api.installations[made.id] = made
        return made

    def pem(self, app: str) -> str:
        return pem(self.keys[app])

    def token(self, installation: Installation) -> str:
        """Return a token of an installation, as its App gets one."""
        return str(self.api._token(installation, {}).body["token"])


def pem(key: RSAPrivateKey) -> str:
    form = PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


def checks_keys_once(patch: MonkeyPatch) -> None:
    """Let a good key be read once: its check takes longer than all the rest of a look."""
    patch.setattr(github_server, "_rsa_key", cache(github_server._rsa_key))


class GithubWorld(World):
    """A repository with deploy keys, an installed App, and a user's fine-grained token."""

    def __init__(self, action: str, directory: Path, place: GithubPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        # GitHub answers 404 for lack of rights, too: only a whole list shows that one is gone.
        self.says_gone = ".app_installation." in action
        self.org, self.repository = place.org, f"r-{uuid4().hex[:10]}"
        self.org.repositories[self.repository] = {}
        self.key = self.add_key("ci", read_only=False)
        self.other_key = self.add_key("mirror", read_only=True)
        self.bot = place.install(BOT, {"contents": "write", "metadata": "read"})
        if action.endswith(".unsuspend"):
            self.bot.suspended_at, self.bot.suspended_by = now(), BOT
        self.grant = self.add_grant()
        self.write_keys()
        self._begins = len(place.api.requests)

    def add_key(self, title: str, *, read_only: bool) -> int:
        line = public_key(f"{self.repository}{title}")
        return self.org.add_key(self.repository, title, line, read_only=read_only)

    def add_grant(self) -> Grant:
        may = {"repository": {"contents": "write"}, "organization": {"members": "read"}}
        made = Grant("ann", "laptop", f"github_pat_{uuid4().hex}", may, last_used=now())
        made.selection, made.repositories = "subset", (self.repository,)
        self.org.grants[made.id] = made
        return made

    def write_keys(self) -> None:
        for name, file in ((OBSERVE, "observe.pem"), (OPERATE, "operate.pem")):
            (self.directory / file).write_text(self.place.pem(name))
        (self.directory / "operate.bot.pem").write_text(self.place.pem(BOT))

    def close(self) -> None:
        del self.org.repositories[self.repository]
        self.place.api.installations.pop(self.bot.id, None)
        self.org.grants.pop(self.grant.id, None)

    @property
    def target(self) -> dict[str, Json]:
        found: dict[str, Json] = {"org": ORG}
        if ".deploy_key." in self.action:
            more = {"repository": self.repository, "key_id": str(self.key)}
            return {"kind": "github.deploy_key", **found, **more}
        if ".app_installation." in self.action:
            more = {"app": BOT, "installation_id": str(self.bot.id)}
            return {"kind": "github.app_installation", **found, **more}
        more = {"token": str(self.grant.token_id)}
        return {"kind": "github.fine_grained_token", **found, **more}

    @property
    def gone(self) -> dict[str, Json]:
        if ".deploy_key." in self.action:  # a key that is not listed was deleted
            return {**self.target, "repository": f"{self.repository}-gone"}
        if ".app_installation." in self.action:
            return {**self.target, "installation_id": str(new_id())}
        return {**self.target, "org": GONE}  # a token that is not listed has no access

    def toml(self, port: int | None = None) -> str:
        url = self.place.server.url if port is None else f"http://{LOOPBACK}:{port}"
        observe, operate = (self.place.installed[name].id for name in (OBSERVE, OPERATE))
        return self._section(ORG, url, observe, operate) + self._section(GONE, url, 17, 18)

    def _section(self, name: str, url: str, observe: int, operate: int) -> str:
        ids = {each: app.client_id for each, app in self.place.apps.items()}
        return (
            f'[github.{name}]\napi = "{url}"\nsimulated = true\n'
            f'observe_client_id = "{ids[OBSERVE]}"\nobserve_installation = "{observe}"\n'
            f'observe_key_file = "observe.pem"\n'
            f'operate_client_id = "{ids[OPERATE]}"\noperate_installation = "{operate}"\n'
            f'operate_key_file = "operate.pem"\n'
            f'[github.{name}.apps.{BOT}]\nclient_id = "{ids[BOT]}"\n'
            'operate_key_file = "operate.bot.pem"\n'
        )

    def look(self) -> object:
        return copy.deepcopy(
            [
                self.org.repositories[self.repository],
                self.bot.shown(),
                self.org.grants.get(self.grant.id),
            ]
        )

    def writes(self) -> list[str]:
        """Return the changing calls for this world's things that took effect."""
        own = {str(one) for one in (self.key, self.other_key, self.bot.id, self.grant.id)}
        return [
            f"{request.method} {request.path} by {who}"
            for request, who, answer in self.place.api.requests[self._begins :]
            if request.method != "GET"
            and CHANGING.search(request.path)
            and own & set(request.path.split("/"))
            and answer.status < 300
        ]

    def changes(self) -> int:
        return len(self.writes())

    def audit(self) -> list[Any]:
        """Return what the organisation's audit log has about this world's things."""
        own = (self.key, self.bot.id, self.grant.id)
        return [(one["action"], one["actor"]) for one in self.org.audit if one["id"] in own]
