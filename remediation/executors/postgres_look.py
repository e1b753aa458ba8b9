"""Look at a role with the observer's login: at the primary, and at the targets file's standbys.

What cannot be looked at is named, never left out: a standby that the primary shows and the file
does not name, a standby that does not answer, a database that the observer may not enter.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from audit.tlog.canonical import Json
from remediation.domain.catalogue.postgres_role import POWERFUL
from remediation.domain.errors import TargetUnobservable
from remediation.executors.base import Deadline
from remediation.executors.postgres_cluster import PostgresServer, PostgresTarget
from remediation.executors.postgres_servers import (
    Server,
    each_once,
    left_since,
    not_named,
    standby_name,
)
from remediation.executors.postgres_session import Connection, NotUsable, session, words

OBSERVE_SECONDS = 8.0  # one connection and a few statements; the standbys follow, side by side
MOST_SESSIONS = 20  # of one server, and
MOST_NAMES = 20  # of one list, are named; the rest is counted
MOST_MEMBERS = 200
MOST_DATABASES = 5  # are entered to look for functions

_ROLE = """
WITH RECURSIVE above(id) AS (
    SELECT oid FROM pg_roles WHERE rolname = %(role)s
    UNION
    SELECT m.roleid FROM pg_auth_members m JOIN above ON m.member = above.id
), become AS (
    SELECT a.rolname::text AS name, a.rolsuper, a.rolcreaterole
      FROM pg_roles a JOIN above ON a.oid = above.id
)
SELECT r.oid::bigint AS oid, r.rolcanlogin AS login,
       -- It has the attribute, or can take on a role that has it.
       (SELECT bool_or(b.rolsuper) FROM become b) AS superuser,
       (SELECT bool_or(b.rolcreaterole) FROM become b) AS createrole,
       ARRAY(SELECT b.name FROM become b
              WHERE b.name <> r.rolname
                AND (b.rolsuper OR b.rolcreaterole OR b.name = ANY(%(powerful)s))
              ORDER BY 1) AS can_become, r.rolreplication AS replication,
       r.rolbypassrls AS bypassrls,
       EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
               WHERE g.rolname = 'hitl_managed' AND m.member = r.oid) AS member_of_managed,
       s.sessions, date_trunc('second', s.last_activity)::text AS last_activity,
       r.rolvaliduntil::text AS valid_until,
       (SELECT count(*) FROM pg_shdepend d
        WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'
       ) AS owned_objects,
       (SELECT count(*) FROM pg_prepared_xacts p WHERE p.owner = r.rolname
       ) AS prepared_transactions,
       ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
             WHERE m.member = r.oid ORDER BY 1) AS member_of,
       current_database()::text AS database,
       -- pg_proc shows this database's functions only; who owns any is noted for all databases.
       ARRAY(SELECT d.datname::text FROM pg_database d
             WHERE d.datallowconn AND d.datname <> current_database()
               AND EXISTS (SELECT FROM pg_shdepend s
                           WHERE s.dbid = d.oid AND s.classid = 'pg_proc'::regclass
                             AND s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
                             AND s.deptype = 'o') ORDER BY 1) AS databases,
       (SELECT system_identifier FROM pg_control_system()) AS system_identifier
  FROM pg_roles r CROSS JOIN LATERAL hitl_ops.sessions(r.oid) s
 WHERE r.rolname = %(role)s
"""
_EARLIER = "SELECT * FROM hitl_ops.turned_off_as(%s)"
# How long a login that has begun is waited for before it is named.
STARTING_SECONDS = 0.5
_STARTING = "SELECT pid FROM hitl_ops.starting()"
_SESSIONS = """
SELECT pid, date_trunc('second', since)::text AS since FROM hitl_ops.session_list(%s::oid)
"""
# Functions and views with the rights of their owner, for somebody else (or behind a trigger).
_DEFINER = """
SELECT found.name, count(*) OVER () AS total FROM (
    SELECT format('%%I.%%I', n.nspname, p.proname) AS name
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.prosecdef AND p.proowner = %(oid)s::oid
       AND (p.proacl IS NULL
            OR EXISTS (SELECT FROM aclexplode(p.proacl) a
                        WHERE a.privilege_type = 'EXECUTE' AND a.grantee <> p.proowner)
            OR EXISTS (SELECT FROM pg_trigger t WHERE t.tgfoid = p.oid AND NOT t.tgisinternal))
    UNION
    SELECT format('view %%I.%%I', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'v' AND c.relowner = %(oid)s::oid
       AND NOT coalesce(c.reloptions @> '{security_invoker=true}', false)
       AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner)
) found
 ORDER BY 1
 LIMIT %(most)s
"""
_STANDBY = """
SELECT r.rolcanlogin AS login, (SELECT system_identifier FROM pg_control_system()) AS cluster,
       pg_postmaster_start_time()::text AS started
  FROM pg_roles r WHERE r.oid = %s::oid
"""


def look(
    name: str,
    target: PostgresTarget,
    role: str,
    *,
    portal: int | None,
    seconds: float = OBSERVE_SECONDS,
) -> dict[str, Any] | None:
    """Return the role's row with what was found around it; None if there is no such role.

    Without a row there are only "servers": what is there of a role that was turned off under this
    name, and was renamed or dropped since.

    Raises TargetUnobservable if the primary cannot be looked at.
    """
    dsn, deadline = target.observe(), Deadline.within(seconds)
    try:
        with session(dsn, portal=portal, deadline=deadline, read_only=True) as connection:
            row = connection.execute(_ROLE, {"role": role, "powerful": list(POWERFUL)}).fetchone()
            former = connection.execute(_EARLIER, [role]).fetchall()
            earlier = list(_earlier(connection, name, former, row["oid"] if row else None))
            if row is None:
                return {"servers": [each.to_json() for each in earlier]} if earlier else None
            primary = _server(connection, name, row["oid"], row["login"])
            members = connection.execute(
                "SELECT * FROM hitl_ops.members(%s::oid)", [row["oid"]]
            ).fetchall()
            definers = [*_definers(connection, row["database"], row["oid"])]
    except (psycopg.Error, NotUsable) as error:
        raise TargetUnobservable(f"server {name}: {words(error)}") from error
    definers += _definers_elsewhere(dsn, row, portal, deadline)
    servers = [primary, *each_once(_standbys(name, target, row, portal, seconds))]
    servers += not_named(name, target, servers)
    servers += [*left_since(name, former, row["oid"], servers), *earlier]
    return {
        **row,
        "sessions": sum(len(each.sessions) + each.more for each in servers),
        "members": _at_most([each["member"] for each in members], MOST_MEMBERS),
        "member_sessions": _at_most([_describe_member(m) for m in members if m["sessions"]]),
        "definer_functions": definers,
        "servers": [each.to_json() for each in servers],
        "standbys_unseen": [each.name for each in servers if each.login is None],
        "subscribers": sorted({n for each in servers for n, logical in each.replicas if logical}),
        # A pooler cannot be seen from the server: None says that nobody knows.
        "pooler": sorted(target.poolers) or None,
    }


def _earlier(
    connection: Connection, name: str, former: Iterable[Mapping[str, Any]], oid: int | None
) -> Iterator[Server]:
    """Yield roles that were turned off under this name and are not the role of this name now."""
    for each in former:
        if each["role"] != oid:
            now = f"it is named {each['name_now']} now" if each["name_now"] else "it was dropped"
            yield replace(
                _server(connection, f"{name}, role {each['role']}", each["role"], None),
                login=True if each["login"] else None,
                why=f"this role was turned off under the name; {now}",
                named=False,
                replicas=(),
            )


def _begun(connection: Connection) -> list[int]:
    """Return logins that had begun some time ago and are no sessions yet."""
    found = {each["pid"] for each in connection.execute(_STARTING).fetchall()}
    until = Deadline.within(STARTING_SECONDS)
    while found and not until.passed:
        time.sleep(0.05)
        found &= {each["pid"] for each in connection.execute(_STARTING).fetchall()}
    return sorted(found)


def _server(connection: Connection, name: str, oid: int, login: bool | None) -> Server:
    begun = [{"pid": pid, "since": ""} for pid in _begun(connection)] if login is False else []
    found = connection.execute(_SESSIONS, [oid]).fetchall() + begun
    replicas = connection.execute("SELECT * FROM hitl_ops.replicas()").fetchall()
    return Server(
        name,
        login,
        tuple((each["pid"], each["since"]) for each in found[:MOST_SESSIONS]),
        max(0, len(found) - MOST_SESSIONS),
        replicas=tuple((each["name"], each["logical"]) for each in replicas),
    )


def _standbys(
    name: str, target: PostgresTarget, row: Mapping[str, Any], portal: int | None, seconds: float
) -> Iterable[Server]:
    """Look at each standby of the targets file, side by side: a slow one holds up no other."""
    if not target.standbys:
        return ()
    with ThreadPoolExecutor(len(target.standbys)) as pool:
        return list(
            pool.map(
                lambda each: _standby(standby_name(name, each[0]), each[1], row, portal, seconds),
                target.standbys.items(),
            )
        )


def _standby(
    name: str, server: PostgresServer, row: Mapping[str, Any], portal: int | None, seconds: float
) -> Server:
    unseen, deadline = Server(name), Deadline.within(seconds)
    try:
        with session(
            server.observe(), portal=portal, deadline=deadline, read_only=True, standby=True
        ) as connection:
            seen = connection.execute(_STANDBY, [row["oid"]]).fetchone()
            if seen is None:
                return replace(unseen, why="it does not have the role (yet)")
            if seen["cluster"] != row["system_identifier"]:
                return replace(unseen, why="this server belongs to another cluster")
            found = _server(connection, name, row["oid"], seen["login"])
            return replace(found, started=seen["started"])
    except TargetUnobservable as error:
        return replace(unseen, why=error.detail or error.message)
    except (psycopg.Error, NotUsable) as error:
        return replace(unseen, why=words(error))


def _definers(connection: Connection, database: str, oid: int) -> Iterator[str]:
    """Yield the functions of one database; the role may have made very many."""
    try:
        found = connection.execute(_DEFINER, {"oid": oid, "most": MOST_NAMES}).fetchall()
    except psycopg.Error as error:
        yield f"{database}: not looked at ({words(error)})"
        return
    yield from (f"{database}: {each['name']}" for each in found)
    if found and found[0]["total"] > MOST_NAMES:
        yield f"{database}: {found[0]['total'] - MOST_NAMES} more"


def _definers_elsewhere(
    dsn: str, row: Mapping[str, Any], portal: int | None, deadline: Deadline
) -> Iterator[str]:
    """Yield functions in other databases where the role owns some."""
    for index, database in enumerate(row["databases"]):
        if index >= MOST_DATABASES:
            yield f"{len(row['databases']) - index} more databases: not looked at"
            return
        try:
            with session(
                make_conninfo(dsn, dbname=database),
                portal=portal,
                deadline=deadline,
                read_only=True,
                functions=False,
            ) as connection:
                yield from _definers(connection, database, row["oid"])
        except (psycopg.Error, NotUsable) as error:
            yield f"{database}: not looked at ({words(error)})"


def _describe_member(member: Mapping[str, Any]) -> str:
    count = member["sessions"]
    return (
        f"{member['member']}: {count} session{'s' if count > 1 else ''}"
        + (f", a member through {member['through']}" if member["through"] else "")
        + ("" if member["usable"] else ", who must first grant the role to itself")
    )


def _at_most(names: list[str], most: int = MOST_NAMES) -> list[Json]:
    rest = len(names) - most
    return [*names[:most], *([f"and {rest} more"] if rest > 0 else [])]
