"""AppRoles, tokens and leases on a real OpenBao, and the world of each of its actions."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoRefused, BaoServer
from remediation.domain.plan import Plan
from remediation.executors.openbao_listed import LISTED, SETTLED_SECONDS
from tests.executors import install
from tests.executors.contract import World, make_plan

SERVER = "main"
DOC = Path(__file__).parents[2] / "docs" / "openbao.md"
CHANGING = re.compile(
    r"auth/[^ ]+/(custom-secret-id|secret-id-accessor/destroy)|auth/token/revoke-accessor"
    r"|auth/token/create/[^ ]+|sys/leases/revoke|sys/leases/revoke-prefix/.+"
    r"|identity/entity/id/[^ ]+|auth/.+/users/[^ ]+|auth/approle/role/[^ /]+"
)
CREATION = "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"


def rules(of: str) -> str:
    """Return the policy of the observer or the operator, as docs/openbao.md has it."""
    found = re.search(rf"^The {of}'s:\n\n```hcl\n(.*?)```", DOC.read_text("utf-8"), re.M | re.S)
    assert found is not None
    return found[1]


@dataclass
class Place:
    """A server, and the database whose credentials it gives."""

    server: BaoServer
    superuser: str
    # Test processes share the cluster, and each has a server and roles of its own.
    observer: str = field(default_factory=lambda: f"bao_observer_{uuid4().hex[:10]}")
    operator: str = field(default_factory=lambda: f"bao_operator_{uuid4().hex[:10]}")

    def prepare(self) -> None:
        """Mount an engine for AppRoles, one in a path, and one for the database."""
        there = self.server.ask("GET", "sys/auth")["data"]
        for mount in {"approle", "team/approle"} - {name.rstrip("/") for name in there}:
            self.server.ask("POST", f"sys/auth/{mount}", {"type": "approle"})
        self.server.mount("database", "database")
        at = install.login(self.superuser, "{{username}}", "{{password}}")
        admin = conninfo_to_dict(self.superuser)
        self.server.ask(
            "POST",
            "database/config/orders",
            {
                "plugin_name": "postgresql-database-plugin",
                "connection_url": f"{at}?sslmode=disable",
                "username": admin["user"],
                "password": admin["password"],
                "allowed_roles": "*",
                "password_authentication": "scram-sha-256",
            },
        )
        for name, also in ((self.observer, ""), (self.operator, ", pg_signal_backend")):
            self.run(f"CREATE ROLE {name} LOGIN PASSWORD 'only-for-tests'")
            self.run(f"GRANT pg_read_all_stats{also} TO {name}")

    def run(self, statement: str) -> None:
        with psycopg.connect(self.superuser, autocommit=True) as connection:
            connection.execute(statement.encode())

    def role(self, name: str, mount: str = "approle", **options: Json) -> str:
        """Make an AppRole, and return its role id."""
        path = f"auth/{mount}/role/{name}"
        self.server.ask("POST", path, {"token_policies": ["default"], "token_ttl": "1h", **options})
        return str(self.server.ask("GET", f"{path}/role-id")["data"]["role_id"])

    def secret_id(self, name: str, mount: str = "approle", **metadata: str) -> tuple[str, str]:
        """Make a secret id; return its value and its accessor."""
        made = self.server.ask(
            "POST", f"auth/{mount}/role/{name}/secret-id", {"metadata": json.dumps(metadata)}
        )
        return made["data"]["secret_id"], made["data"]["secret_id_accessor"]

    def accessors(self, name: str, mount: str = "approle") -> list[str]:
        try:
            found = self.server.ask("LIST", f"auth/{mount}/role/{name}/secret-id")
        except BaoRefused:
            return []
        return sorted(found["data"]["keys"])

    def sign_in(self, role_id: str, secret_id: str, mount: str = "approle") -> dict[str, Any]:
        """Sign in as a consumer does; return the token and its accessor."""
        body = {"role_id": role_id, "secret_id": secret_id}
        found: dict[str, Any] = self.server.ask("POST", f"auth/{mount}/login", body, token="")
        registered(found["auth"]["accessor"])
        return dict(found["auth"])

    def end_tokens(self) -> None:
        """End every token but root's: each look of a later test would read them."""
        own = self.server.ask("GET", "auth/token/lookup-self")["data"]["accessor"]
        for accessor in self.server.ask("LIST", "auth/token/accessors")["data"]["keys"]:
            if accessor != own:
                with suppress(BaoRefused):  # its parent was among them
                    self.server.ask("POST", "auth/token/revoke-accessor", {"accessor": accessor})

    def is_valid(self, token: str) -> bool:
        try:
            self.server.ask("GET", "auth/token/lookup-self", token=token)
        except BaoRefused:
            return False
        return True

    def lease(self, name: str, **options: Json) -> dict[str, Any]:
        """Make a database role of this name and one credential: its lease, user and password."""
        role = {"db_name": "orders", "creation_statements": CREATION, "default_ttl": "1h"}
        self.server.ask("POST", f"database/roles/{name}", {**role, **options})
        made = self.server.ask("GET", f"database/creds/{name}")
        return {"lease": made["lease_id"], **made["data"]}


class BaoWorld(World):
    """A role of its own on the server, with tokens that have the rights of docs/openbao.md."""

    mount = "approle"

    def __init__(self, action: str, directory: Path, place: Place) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.role = f"app-{uuid4().hex[:10]}"
        self.role_id = place.role(self.role, self.mount)
        self.value, self.accessor = place.secret_id(self.role, self.mount, owner="orders")
        self.other = place.secret_id(self.role, self.mount)
        self.lease = ""
        self.tokens: list[str] = []
        if action == "openbao.lease.revoke":
            self.credential = place.lease(self.role)
            self.lease = self.credential["lease"]
        first = directory / "files" / "orders" / "approle" / "versions" / "first"
        first.mkdir(parents=True)
        (first / "secret_id").write_text(self.value)
        (first.parent.parent / "current").symlink_to("versions/first")
        self.give_rights()
        # Looks write much into the log; only what comes after this is the world's.
        self._begins = place.server.audit_log.stat().st_size

    def give_rights(self, without: str = "") -> None:
        """Write tokens with the documented rights, but for the paths that match; end others."""
        self.close()
        for name in ("observe", "operate"):
            lines = rules({"observe": "observer", "operate": "operator"}[name]).splitlines()
            policy = "\n".join(
                line.replace("ROLE", role).replace("auth/approle", f"auth/{self.mount}")
                for role in (self.role, f"{self.role}-gone")
                for line in lines
                if not without or not re.search(without, line)
            )
            self.place.server.policy(f"{name}-{self.role}", policy)
            token = self.place.server.token(f"{name}-{self.role}")
            accessor = self._accessor(token)
            self.tokens.append(token)
            (self.directory / f"{name}.token").write_text(token)
            if name == "operate":
                self._operator = self._hashed(accessor)

    def _accessor(self, token: str) -> str:
        at = self.place.server.ask("POST", "auth/token/lookup", {"token": token})
        registered(at["data"]["accessor"])
        return str(at["data"]["accessor"])

    def _hashed(self, accessor: str) -> str:
        found = self.place.server.ask("POST", "sys/audit-hash/log", {"input": accessor})
        return str(found["data"]["hash"])

    @property
    def target(self) -> dict[str, Json]:
        if self.lease:
            return {"kind": "openbao.lease", "server": SERVER, "lease": self.lease}
        fields: dict[str, Json] = {"server": SERVER, "mount": self.mount, "role": self.role}
        if self.action == "openbao.secret_id.destroy":
            return {"kind": "openbao.secret_id", **fields, "accessor": self.accessor}
        return {"kind": "openbao.approle", **fields}

    @property
    def gone(self) -> dict[str, Json]:
        if self.lease:
            return {**self.target, "lease": self.lease.replace(self.role, f"{self.role}-gone")}
        return {**self.target, "role": f"{self.role}-gone"}

    @property
    def parameters(self) -> dict[str, Json]:
        return {
            "openbao.approle.new_secret_id": {"store": "files:orders/approle"},
            "openbao.approle.destroy_secret_id": {"accessor": self.accessor},
            "openbao.secret_id.destroy": {"end_unclear_tokens": False},
            "openbao.lease.revoke": {"end_sessions": True},
        }[self.action]  # type: ignore[return-value]

    def plan(
        self, target: dict[str, Json] | None = None, parameters: dict[str, Json] | None = None
    ) -> Plan:
        return make_plan(self.action, target or self.target, parameters or self.parameters)

    def toml(self, port: int | None = None) -> str:
        url = self.place.server.url if port is None else f"http://127.0.0.1:{port}"
        observe = install.login(self.place.superuser, self.place.observer)
        operate = install.login(self.place.superuser, self.place.operator)
        (self.directory / "database.dsn").write_text(operate)
        return f"""
[openbao.{SERVER}]
address = "{url}"
observe_token_file = "observe.token"
operate_token_file = "operate.token"
audit_log = "{self.place.server.audit_log}"

[openbao.{SERVER}.database."database/orders"]
observe_dsn = "{observe}"
operate_dsn_file = "database.dsn"

[store.files]
kind = "file"
directory = "files"

[store.files.allow]
"openbao.approle:{SERVER}/*/*" = ["orders/*"]
"""

    def look(self) -> object:
        found = [self.place.accessors(self.role, self.mount)]
        if self.lease:
            found.append(self.database_roles())
        return found

    def database_roles(self) -> list[str]:
        with psycopg.connect(self.place.superuser) as connection:
            query = sql.SQL("SELECT rolname FROM pg_roles WHERE rolname = {}").format(
                self.credential["username"]
            )
            return [str(row[0]) for row in connection.execute(query)]

    def changes(self) -> int:
        found = 0
        for line in lines_since(self.place.server, self._begins):
            record = json.loads(line)
            if record["type"] != "response" or record.get("error"):
                continue
            by = record.get("auth", {}).get("accessor") == self._operator
            found += by and CHANGING.fullmatch(record["request"]["path"]) is not None
        return found

    def close(self) -> None:
        """End its tokens: each look reads every token of the server."""
        for token in self.tokens:
            self.place.server.ask("POST", "auth/token/revoke", {"token": token})
        self.tokens.clear()


def registered(accessor: str) -> None:
    """Spare the looks of this process the wait for a token whose making was answered."""
    LISTED.seconds_left([accessor], time.monotonic() - SETTLED_SECONDS)


def lines_since(server: BaoServer, begins: int) -> list[str]:
    """Return the lines of the audit log from this byte on."""
    with server.audit_log.open("rb") as file:
        file.seek(begins)
        return file.read().decode().splitlines()
