"""Let each session of a new role become the first role, so that what it makes belongs to that one.

PostgreSQL keeps this as the setting `role` of a role, for all databases or for one.
"""

from __future__ import annotations

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Step
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown
from remediation.executors.postgres_cluster import cluster
from remediation.executors.postgres_proof import PASSWORD, Work
from remediation.executors.postgres_session import (
    CONNECT_SECONDS,
    ONLY_SCRAM,
    Connection,
    NotUsable,
    session,
    words,
)
from remediation.executors.postgres_ticket import first_line
from remediation.executors.secret import SecretValue
from remediation.executors.targets import Targets

_BECOMES = """
SELECT coalesce(d.datname::text, '') AS database,
       substr(c.setting, strpos(c.setting, '=') + 1) AS becomes
  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
 CROSS JOIN LATERAL unnest(s.setconfig) AS c(setting)
 WHERE s.setrole = %s::oid AND split_part(c.setting, '=', 1) = 'role' ORDER BY 1
"""


def become(work: Work, first: int, value: SecretValue) -> None:
    """Sign in as the new role, and let each session of it become the first role."""
    wanted = role_settings(work.primary, first)
    like = str(work.step.parameters["like"])
    if wanted.get("", "none") == "none":
        wanted[""] = like
    dsn = cluster(work.targets, work.name).observe()
    try:
        with psycopg.connect(
            make_conninfo(dsn, user=work.role, password=value.reveal(PASSWORD)),
            require_auth=ONLY_SCRAM,
            connect_timeout=CONNECT_SECONDS,
            application_name="hitlportal new role",
            options=f"-c statement_timeout={int(1000 * min(5.0, work.deadline.left))}",
            autocommit=True,
        ) as connection:
            connection.execute("SET ROLE NONE")
            for database, becomes in wanted.items():
                connection.execute(_set_role(database, becomes))
    except psycopg.Error as error:
        raise NotApplied(first_line(error)) from None


def role_settings(connection: Connection, oid: int) -> dict[str, str]:
    """Return the settings `role` of a role, by database; "" for all."""
    try:
        rows = connection.execute(_BECOMES, [oid]).fetchall()
    except psycopg.Error as error:
        raise OutcomeUnknown(words(error)) from None
    return {row["database"]: row["becomes"] for row in rows}


def becomes(step: Step, targets: Targets, oid: int) -> str:
    """Return the role that sessions of this one become, with the observer's login."""
    name = step.target.fields["cluster"]
    try:
        with session(
            cluster(targets, name).observe(),
            portal=targets.portal_system_identifier,
            deadline=Deadline.within(8.0),
            read_only=True,
        ) as connection:
            return role_settings(connection, oid).get("", "")
    except (psycopg.Error, NotUsable, OutcomeUnknown) as error:
        raise TargetUnobservable(f"server {name}: {words(error)}") from None


def _set_role(database: str, becomes: str) -> sql.Composed:
    where = sql.SQL(" IN DATABASE {}").format(sql.Identifier(database)) if database else sql.SQL("")
    return sql.SQL("ALTER ROLE SESSION_USER{} SET role TO {}").format(where, sql.Literal(becomes))
