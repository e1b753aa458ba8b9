"""A role with a membership that an administrator enrolled, on a real cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from audit.tlog.canonical import Json
from tests.executors import install
from tests.executors.contract import CLUSTER, PostgresWorld


class MembershipWorld(PostgresWorld):
    """A role that may read a table through a membership alone."""

    def __init__(self, action: str, directory: Path, superuser: str, log: Path) -> None:
        super().__init__(action, directory, superuser, log)
        self.group = f"{self.role}_group"
        self.table = f"t_{self.role}"
        with install.alone(superuser) as admin:
            names = {"g": sql.Identifier(self.group), "t": sql.Identifier(self.table),
                     "r": sql.Identifier(self.role)}  # fmt: skip
            for statement in (
                "CREATE ROLE {g} NOLOGIN",
                "CREATE TABLE {t} AS SELECT generate_series(1, 10) AS a",
                "GRANT SELECT ON {t} TO {g}",
                "GRANT {g} TO {r} WITH ADMIN OPTION",
            ):
                admin.execute(sql.SQL(statement).format(**names))
            admin.execute("SELECT hitl_ops.manage_membership(%s, %s)", [self.group, self.role])
        if action.endswith(".grant"):
            self.call("revoke_membership")
        self._begins = log.stat().st_size

    def call(self, function: str) -> None:
        """Call a function of the operator's, as the operator."""
        oids = self.ask("SELECT %s::regrole::oid, %s::regrole::oid", self.group, self.role)
        with psycopg.connect(self.logins.operate, autocommit=True) as operator:
            statement = f"SELECT hitl_ops.{function}(%s, %s, %s::oid, %s::oid)"
            operator.execute(statement.encode(), [self.group, self.role, *oids])

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "postgres.membership",
            "cluster": CLUSTER,
            "role": self.role,
            "granted": self.group,
        }

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "granted": f"{self.group}_gone"}

    def look(self) -> object:
        return super().look(), self.rows()

    def rows(self) -> Any:
        """Return each grant of the membership, with its options."""
        [rows] = self.ask(
            "SELECT array_agg(to_jsonb(m) - 'oid' ORDER BY m.grantor) FROM pg_auth_members m"
            " JOIN pg_roles r ON r.oid = m.member JOIN pg_roles g ON g.oid = m.roleid"
            " WHERE r.rolname = %s AND g.rolname = %s",
            self.role,
            self.group,
        )
        return rows

    def changes(self) -> int:
        return len(self.log_lines("hitl_ops.(revoke|grant)_membership"))
