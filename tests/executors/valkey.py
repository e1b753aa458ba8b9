"""A real Valkey as a target, with the two users of the worker, and the world of each action."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import redis

from audit.tlog.canonical import Json
from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.valkey import ValkeyServer
from remediation.domain import instant
from tests.executors.contract import World

SERVER = "sessions"
DOC = Path(__file__).parents[2] / "docs" / "valkey.md"
# Counted by the server itself; SETUSER and KILL of the tests' own calls are taken off.
CHANGING = ("acl|setuser", "acl|deluser", "acl|save", "client|kill")


class TargetServer(ValkeyServer):
    """A server with a list of users in a file, so that changes outlast a restart."""

    def _argv(self, home: Path) -> Sequence[str | Path]:
        argv = super()._argv(home)
        users = home / "users.acl"
        if not users.exists():
            users.write_text(f"user default on >{self._password} ~* &* +@all\n")
            self.account.own(users, 0o600)
        self.account.own(home, 0o700)
        with (home / "valkey.conf").open("a", encoding="utf-8") as file:
            file.write(f"aclfile {users}\n")
        return argv


def rights(of: str) -> str:
    """Return the rules of the observer or the operator, as docs/valkey.md has them."""
    found = re.search(rf"^ACL SETUSER hitl_{of} (.*)$", DOC.read_text("utf-8"), re.M)
    assert found is not None
    return found[1]


class ValkeyPlace:
    """The server, and a connection of its administrator."""

    def __init__(self, server: ValkeyServer) -> None:
        self.server = server
        self.admin = redis.Redis.from_url(server.url(), decode_responses=True)
        self.passwords = {name: uuid4().hex for name in ("observe", "operate")}
        for name, password in self.passwords.items():
            words = rights(name).replace(">PASSWORD", f">{password}").split()
            self.admin.execute_command("ACL SETUSER", f"hitl_{name}", "reset", *words)

    @property
    def node(self) -> str:
        return f"{LOOPBACK}:{self.server.port}"

    def calls(self) -> dict[str, int]:
        """Return how often each changing command was called, by anybody."""
        stats = self.admin.info("commandstats")
        return {name: int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in CHANGING}

    def listed(self, user: str) -> str:
        """Return the user's line of the list."""
        lines = self.admin.execute_command("ACL LIST")
        return next((line for line in lines if line.split()[1] == user), "")


class ValkeyWorld(World):
    """A user with one open connection."""

    def __init__(self, action: str, directory: Path, place: ValkeyPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.user, self.password = f"svc_{uuid4().hex[:10]}", uuid4().hex
        on = "off" if action.endswith(".enable") else "on"
        place.admin.execute_command(
            "ACL SETUSER", self.user, f">{self.password}", "~cart:*", "+@read", "+@write",
            "+client|setname", "+ping", "on",
        )  # fmt: skip
        self.held = self.connect()
        self.held.ping()
        place.admin.execute_command("ACL SETUSER", self.user, on)
        # The open connection began before it, also in whole seconds.
        self.cut = instant.dump(datetime.now(UTC))
        self.write_operate_password()
        self._before = place.calls()

    def write_operate_password(self) -> None:
        (self.directory / "operate.password").write_text(self.place.passwords["operate"])

    def connect(self) -> Any:
        """Open a connection of the user, which signs in."""
        return redis.Redis(
            host=LOOPBACK,
            port=self.place.server.port,
            username=self.user,
            password=self.password,
            single_connection_client=True,
            retry=None,
        )

    def close(self) -> None:
        self.held.close()
        self.place.admin.execute_command("ACL DELUSER", self.user)

    @property
    def parameters(self) -> dict[str, Json]:
        more: dict[str, Json] = {}
        if self.action.endswith(".end_connections"):
            more = {"begun_before": self.cut}
        return {**super().parameters, **more}

    @property
    def target(self) -> dict[str, Json]:
        return {"kind": "valkey.user", "server": SERVER, "user": self.user}

    @property
    def gone(self) -> dict[str, Json]:
        return {"kind": "valkey.user", "server": SERVER, "user": f"{self.user}_gone"}

    def toml(self, port: int | None = None) -> str:
        node = self.place.node if port is None else f"{LOOPBACK}:{port}"
        return (
            f'[valkey.{SERVER}]\nnodes = ["{node}"]\n'
            f'observe_user = "hitl_observe"\n'
            f'observe_password = "{self.place.passwords["observe"]}"\n'
            f'operate_user = "hitl_operate"\noperate_password_file = "operate.password"\n'
        )

    def look(self) -> object:
        return self.place.listed(self.user)

    def changes(self) -> int:
        now = self.place.calls()
        return sum(now[name] - self._before[name] for name in now)
