"""Run an OpenBao server: data on disk, loopback only, its audit log beside them.

The unseal key and the root token lie in its home, readable by its account alone: fit for a demo and
for tests, where nobody unseals by hand.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from hitlportal.demo.servers.binaries import openbao_binary, usable_program
from hitlportal.demo.servers.ports import LOOPBACK, kept_port
from hitlportal.demo.servers.server import POLL_SECONDS, Server

CONFIGURATION = """\
ui = false
api_addr = "http://{address}:{port}"
cluster_addr = "https://{address}:{cluster_port}"
storage "raft" {{
  path = "{directory}/data"
  node_id = "one"
  performance_multiplier = 1
}}
listener "tcp" {{
  address = "{address}:{port}"
  tls_disable = true
}}
audit "file" "log" {{
  options {{ file_path = "{directory}/audit.log" }}
}}
"""
CALL_SECONDS = 10


class NotReady(Exception):
    """The server does not answer yet, or is sealed."""


class BaoRefused(Exception):
    """The server refused a call; carries the status and its words."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(f"{status}: {words}")
        self.status = status


class BaoServer(Server):
    """One server, unsealed. `binary` None: search for it."""

    title = "OpenBao"
    not_yet = NotReady

    def __init__(self, home: Path, *, port: int | None = None, binary: Path | None = None) -> None:
        super().__init__(home, port)
        self._binary = binary

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def audit_log(self) -> Path:
        """The server's record of every request; it has secrets only as HMACs."""
        return self.home / "audit.log"

    @property
    def root_token(self) -> str:
        return str(self._keys()["root_token"])

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None
    ) -> dict[str, Any]:
        """Call the API, as root unless a token is given. Raises BaoRefused."""
        request = Request(  # noqa: S310 (always this address)
            f"{self.url}/v1/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": self.root_token if token is None else token},
        )
        try:
            with build_opener(ProxyHandler({})).open(request, timeout=CALL_SECONDS) as answer:
                found: dict[str, Any] = json.loads(answer.read() or b"{}")
                return found
        except HTTPError as error:
            with error:
                raise BaoRefused(error.code, error.read().decode()) from None

    def policy(self, name: str, rules: str) -> None:
        """Write a policy."""
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": rules})

    def token(self, *policies: str, ttl: str = "1h") -> str:
        """Return a new token with these policies and not the default one."""
        made = self.ask(
            "POST",
            "auth/token/create-orphan",
            {"policies": list(policies), "no_default_policy": True, "ttl": ttl},
        )
        return str(made["auth"]["client_token"])

    def approle(self, name: str, *policies: str, ttl: str = "5m") -> tuple[str, str]:
        """Create an AppRole with these policies; return its role id and a secret id."""
        if "approle/" not in self.ask("GET", "sys/auth")["data"]:
            self.ask("POST", "sys/auth/approle", {"type": "approle"})
        role = f"auth/approle/role/{name}"
        self.ask("POST", role, {"token_policies": list(policies), "token_ttl": ttl})
        role_id = self.ask("GET", f"{role}/role-id")["data"]["role_id"]
        secret_id = self.ask("POST", f"{role}/secret-id", {})["data"]["secret_id"]
        return str(role_id), str(secret_id)

    def mount(self, path: str, kind: str, **options: str) -> None:
        """Enable a secrets engine unless it is there, and return when it answers."""
        if f"{path}/" not in self.ask("GET", "sys/mounts")["data"]:
            self.ask("POST", f"sys/mounts/{path}", {"type": kind, "options": options})
        give_up = time.monotonic() + CALL_SECONDS
        while kind == "kv" and options.get("version") == "2":  # it upgrades itself for a moment
            try:
                self.ask("GET", f"{path}/config")
                return
            except BaoRefused:
                if time.monotonic() > give_up:
                    raise
            time.sleep(POLL_SECONDS)

    def _prepare(self, home: Path) -> None:
        self._binary = usable_program(self._binary or openbao_binary(), self.account, home)
        data = home / "data"
        data.mkdir(exist_ok=True)
        self.account.own(data, 0o700)

    def _argv(self, home: Path) -> Sequence[str | Path]:
        assert self._binary is not None  # set by _prepare
        path = home / "openbao.hcl"
        path.write_text(
            CONFIGURATION.format(
                address=LOOPBACK,
                port=self.port,
                # Raft listens there also without other nodes.
                cluster_port=kept_port(home / "cluster-port", None),
                directory=home,
            ),
            encoding="utf-8",
        )
        self.account.own(path, 0o600)
        return [self._binary, "server", f"-config={path}"]

    def _probe(self) -> None:
        try:
            if not self.ask("GET", "sys/init", token="")["initialized"]:
                made = self.ask(
                    "PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1}, token=""
                )
                self._keep(made)
            if self.ask("GET", "sys/seal-status", token="")["sealed"]:
                self.ask("PUT", "sys/unseal", {"key": self._keys()["keys"][0]}, token="")
            self.ask("GET", "sys/mounts")  # an active server answers
        except (OSError, BaoRefused) as problem:
            raise NotReady(str(problem)) from problem

    @property
    def _keys_file(self) -> Path:
        return self.home / "keys.json"

    def _keep(self, made: dict[str, Any]) -> None:
        self._keys_file.touch(mode=0o600)
        self._keys_file.write_text(json.dumps(made), encoding="utf-8")
        self.account.own(self._keys_file, 0o600)

    def _keys(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._keys_file.read_text(encoding="utf-8"))
        return found
