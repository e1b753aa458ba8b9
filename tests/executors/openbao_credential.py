"""A role of OpenBao's database engine on a real server, with a store that has an old credential."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg

from audit.tlog.canonical import Json
from hitlportal.demo.servers.openbao import BaoRefused
from tests.executors import clusters, install
from tests.executors.openbao import SERVER, BaoWorld, Place
from tests.executors.openbao_access import AccessWorld, is_access

NEW_CREDENTIAL = "openbao.database_role.new_credential"
REVOKE_CREDENTIAL = "openbao.database_role.revoke_credential"
PLACE = "orders/database"


class CredentialWorld(BaoWorld):
    """A database role with one lease, which consumers read in the store."""

    # What the token role gives: see docs/openbao.md.
    token_role: dict[str, Json] = {"orphan": True, "renewable": False}

    def __init__(self, action: str, directory: Path, place: Place) -> None:
        super().__init__(action, directory, place)
        self.credential = place.lease(self.role)
        self.old_lease = str(self.credential["lease"])
        self.make_token_role(**self.token_role)
        first = directory / "files" / PLACE / "versions" / "first"
        first.mkdir(parents=True)
        for name in ("username", "password"):
            (first / name).write_text(self.credential[name])
        (first.parent.parent / "current").symlink_to("versions/first")

    def make_token_role(self, **more: Json) -> None:
        name, server = f"make-{self.role}", self.place.server
        server.policy(name, f'path "database/creds/{self.role}" {{ capabilities = ["read"] }}')
        given: dict[str, Json] = {"allowed_policies": [name], "token_no_default_policy": True}
        server.ask("POST", f"auth/token/roles/{name}", {**given, **more})

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "openbao.database_role", "server": SERVER, "mount": "database",
            "role": self.role,
        }  # fmt: skip

    @property
    def lease_target(self) -> dict[str, Json]:
        return {"kind": "openbao.lease", "server": SERVER, "lease": self.old_lease}

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "role": f"{self.role}-gone"}

    @property
    def parameters(self) -> dict[str, Json]:
        if self.action == REVOKE_CREDENTIAL:
            return {"lease": self.old_lease}
        return {"store": f"files:{PLACE}"}

    def toml(self, port: int | None = None) -> str:
        return (
            super()
            .toml(port)
            .replace(
                "\n[store.files]\n",
                f'\n[openbao.{SERVER}.token_roles]\n"database/{self.role}" = "make-{self.role}"\n'
                f'"database/{self.role}-gone" = "make-{self.role}"\n\n[store.files]\n',
            )
            + f'"openbao.database_role:{SERVER}/*/*" = ["orders/*"]\n'
        )

    @property
    def leases(self) -> list[str]:
        path = f"database/creds/{self.role}"
        found = self.place.server.ask("LIST", f"sys/leases/lookup/{path}")["data"]["keys"]
        return sorted(f"{path}/{name}" for name in found)

    def delivered(self) -> dict[str, str]:
        """Return what a consumer reads."""
        current = self.directory / "files" / PLACE / "current"
        return {path.name: path.read_text() for path in current.iterdir()}

    def open(self, user: str, password: str) -> psycopg.Connection[Any]:
        """Sign in at the database. Raises psycopg.OperationalError."""
        dsn = install.login(self.place.superuser, user, password)
        return psycopg.connect(dsn, autocommit=True)

    def open_old(self) -> psycopg.Connection[Any]:
        return self.open(self.credential["username"], self.credential["password"])

    def open_new(self) -> psycopg.Connection[Any]:
        found = self.delivered()
        return self.open(found["username"], found["password"])

    def until_closed(self) -> None:
        """Wait until no user of the role has a session: a server ends one a moment later."""
        query = "SELECT count(*) FROM pg_stat_activity WHERE strpos(usename, %s) > 0"

        def none() -> bool:
            with psycopg.connect(self.place.superuser) as connection:
                return connection.execute(query, [f"-{self.role[:8]}-"]).fetchone() == (0,)

        clusters.until(none, 20)

    def look(self) -> object:
        try:
            leases = self.leases
        except BaoRefused:  # 404: there is none
            leases = []
        links = (self.directory / "files").rglob("current")
        return leases, sorted(str(link.readlink()) for link in links)


def bao_world(action: str, directory: Path, place: Place) -> BaoWorld:
    """Return the world of an action on AppRoles and leases, on a database role, or another."""
    if is_access(action):
        return AccessWorld(action, directory, place)
    kind = CredentialWorld if action.startswith("openbao.database_role.") else BaoWorld
    return kind(action, directory, place)
