"""Sessions and roles in a database (PostgreSQL) whose credentials OpenBao gives."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from remediation.executors.base import Deadline
from remediation.executors.openbao_tokens import iso
from remediation.executors.postgres_session import Connection, NotUsable, session
from remediation.executors.targets import Targets

# OpenBao names the role, asks the database to create it, and then issues the lease.
NAMED_BEFORE = timedelta(seconds=30)
SLACK = timedelta(seconds=2)

_SESSIONS = (
    "SELECT pid, usesysid::text AS oid, coalesce(usename, '') AS name,"
    " client_addr::text AS address, backend_start AS since FROM pg_stat_activity"
    " WHERE usesysid IS NOT NULL AND pid <> pg_backend_pid() ORDER BY backend_start, pid"
)
_OWNED = (
    "SELECT count(*)::int AS count FROM pg_shdepend WHERE refclassid = 'pg_authid'::regclass"
    " AND refobjid = %s::oid AND deptype = 'o'"
)
# The pid may be somebody else's by now: the start of the session is compared, too.
_END = (
    "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity"
    " WHERE pid = %s AND usesysid = %s::oid AND backend_start = %s"
)


@dataclass(frozen=True)
class OpenSession:
    pid: int
    oid: str
    name: str
    since: datetime
    text: str


def opened(
    dsn: str, targets: Targets, deadline: Deadline, *, read_only: bool
) -> AbstractContextManager[Connection]:
    return session(
        dsn,
        portal=targets.portal_system_identifier,
        deadline=deadline,
        read_only=read_only,
        functions=False,
    )


def roles_of(connection: Connection) -> dict[str, str]:
    """Return the names of all roles by oid; "" for one that cannot log in."""
    rows = connection.execute(
        "SELECT oid::text AS oid, CASE WHEN rolcanlogin THEN rolname ELSE '' END AS name"
        " FROM pg_roles"
    )
    return {str(row["oid"]): str(row["name"]) for row in rows}


def sessions_of(connection: Connection) -> list[OpenSession]:
    """Return all client sessions. Raises NotUsable if the login cannot see whose they are."""
    found = []
    for row in connection.execute(_SESSIONS.encode()):
        if row["since"] is None:
            raise NotUsable("the login needs pg_read_all_stats")
        who = row["name"] or f"dropped role {row['oid']}"
        since = row["since"]
        text = f"{row['pid']} of {who} from {row['address'] or 'a local socket'} since {iso(since)}"
        found.append(OpenSession(row["pid"], row["oid"], row["name"], since, text))
    return found


def owned(connection: Connection, oid: str) -> int:
    row = connection.execute(_OWNED.encode(), [oid]).fetchone()
    return int(row["count"]) if row is not None else 0


def candidates(roles: Mapping[str, str], issuer: str, issued: datetime | None) -> dict[str, str]:
    """Return the database roles that may be the lease's, by oid: named after role and time.

    `issuer` is the role of OpenBao that gave the lease.
    """
    if issued is None:
        return {}
    found = {}
    for oid, name in roles.items():
        if not is_of_role(name, issuer):
            continue
        named = datetime.fromtimestamp(int(name.rpartition("-")[2]), issued.tzinfo)
        if issued - NAMED_BEFORE <= named <= issued + SLACK:
            found[oid] = name
    return found


def is_of_role(name: str, issuer: str) -> bool:
    """Return whether a database user's name has the form of those of a role of OpenBao.

    This is the default `username_template`, which keeps 8 characters of the role's name and ends
    with the second in which the user was named.
    """
    head, _, second = name.rpartition("-")
    in_seconds = second.isascii() and second.isdigit() and len(second) == 10
    return in_seconds and f"-{issuer[:8]}-" in f"{head}-"


def terminate(connection: Connection, oids: set[str] | None) -> list[str]:
    roles = roles_of(connection)
    ended = []
    for one in sessions_of(connection):
        if one.oid in roles or (oids is not None and one.oid not in oids):
            continue  # never a session of a role that is there
        row = connection.execute(_END.encode(), [one.pid, one.oid, one.since]).fetchone()
        if row is not None and row["ended"]:
            ended.append(one.text)
    return ended
