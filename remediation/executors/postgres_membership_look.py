"""Look at a membership with the observer's login: at the primary and at each named standby."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE
from remediation.executors.postgres_cluster import cluster
from remediation.executors.postgres_password import Unseen, on_each
from remediation.executors.postgres_servers import Server, not_named
from remediation.executors.postgres_session import STATEMENT_SECONDS, Connection
from remediation.executors.targets import Targets

# The version of hitl_ops that knows of memberships.
NEEDED = 6
MOST_NAMES = 50
OWNER = "hitl_ops_owner"

_STATE = """
WITH RECURSIVE pair AS (
    SELECT r.oid AS role, g.oid AS granted, r.rolname::text AS role_name
      FROM pg_roles r, pg_roles g WHERE r.rolname = %(role)s AND g.rolname = %(granted)s
), above(id) AS (
    SELECT m.roleid FROM pg_auth_members m, pair WHERE m.member = pair.role
       AND m.roleid <> pair.granted
    UNION
    SELECT m.roleid FROM pg_auth_members m JOIN above ON m.member = above.id
)
SELECT pair.role_name, pair.role::bigint AS role_oid, pair.granted::bigint AS granted_oid,
       s.enrolled, s.admin_option, s.inherit_option, s.set_option,
       -- Who granted it; a grantor may have been dropped before 16.
       ARRAY(SELECT coalesce(u.rolname::text, 'oid ' || m.grantor)
               FROM pg_auth_members m LEFT JOIN pg_roles u ON u.oid = m.grantor
              WHERE m.roleid = pair.granted AND m.member = pair.role ORDER BY 1) AS grantors,
       -- A superuser has every role; before 16 whoever has CREATEROLE can take nearly every one.
       ARRAY(SELECT DISTINCT u.rolname::text
               FROM above JOIN pg_roles u ON u.oid = above.id
               LEFT JOIN pg_auth_members m ON m.member = above.id AND m.roleid = pair.granted
              WHERE m.member IS NOT NULL OR u.rolsuper OR u.rolcreaterole
                AND current_setting('server_version_num')::integer < 160000
              ORDER BY 1) AS still_through,
       ARRAY(SELECT DISTINCT u.rolname::text FROM pg_auth_members m
               JOIN pg_roles u ON u.oid = m.member
              WHERE m.roleid = pair.granted AND m.grantor = pair.role
                AND m.member <> pair.role ORDER BY 1) AS passed_on,
       ARRAY(SELECT u.rolname::text FROM pg_roles u
              WHERE u.oid IN (pair.role, pair.granted)
                AND (u.rolsuper OR u.rolcreaterole OR u.rolreplication OR u.rolbypassrls)
              ORDER BY 1) AS administers,
       ARRAY(SELECT m.member FROM hitl_ops.members(pair.role) m) AS members,
       (hitl_ops.sessions(pair.role)).sessions AS sessions,
       -- A commit comes at most so long after the function's clock. A standby follows at any time
       -- after it, by a clock of its own. A session without an age can be an old one.
       (SELECT count(*)::integer FROM hitl_ops.session_origins(pair.role) o
         WHERE pg_is_in_recovery()
            OR (o.age > s.revoked_age - %(margin)s) IS NOT FALSE) AS older_sessions,
       current_setting('server_version_num')::integer >= 160000 AS finer
  FROM pair CROSS JOIN LATERAL hitl_ops.membership_state(pair.granted, pair.role) s
"""
_REPLICAS = "SELECT name, logical FROM hitl_ops.replicas()"


def look(step: Step, targets: Targets) -> Observation:
    """Return the membership; GONE if a role is gone, or there is none and was none enrolled.

    Raises TargetUnobservable.
    """
    name = step.target.fields["cluster"]
    target = cluster(targets, name)
    found = on_each(
        name,
        target,
        lambda connection: _read(connection, step.target.fields),
        portal=targets.portal_system_identifier,
        needed=NEEDED,
    )
    first = found[name]
    assert not isinstance(first, Unseen)
    row = first[0]
    if row is None or not (row["grantors"] or row["enrolled"]):
        return GONE
    seen = [Server(place, False, replicas=one[1])
            for place, one in found.items() if not isinstance(one, Unseen)]  # fmt: skip
    others = not_named(name, target, seen)
    servers = [_server(place, one, row) for place, one in found.items()]
    servers += [_unseen(each.name, each.why, named=False) for each in others]
    return Observation(True, _state(row), _shown(row, servers), simulated=False)


def _read(
    connection: Connection, fields: Mapping[str, str]
) -> tuple[dict[str, Any] | None, tuple[tuple[str, bool], ...]]:
    asked = {
        "role": fields["role"], "granted": fields["granted"], "margin": STATEMENT_SECONDS
    }  # fmt: skip
    row = connection.execute(_STATE, asked).fetchone()
    replicas = connection.execute(_REPLICAS).fetchall()
    return row, tuple((each["name"], each["logical"]) for each in replicas)


def _state(row: Mapping[str, Any]) -> dict[str, Json]:
    has = [
        word
        for word, option in (("admin", "admin_option"), ("inherit", "inherit_option"),
                             ("set", "set_option"))
        if row[option]
    ]  # fmt: skip
    return {
        "membership": bool(row["grantors"]),
        "membership_options": ", ".join(has) or "none",
        "membership_enrolled": bool(row["enrolled"]),
        # What the role granted to itself goes with the grant from here, and blocks nothing.
        "other_grantors": [
            each for each in row["grantors"] if each not in (OWNER, row["role_name"])
        ],
        "role_oid": int(row["role_oid"]),
        "granted_oid": int(row["granted_oid"]),
    }


def _shown(row: Mapping[str, Any], servers: list[dict[str, Json]]) -> dict[str, Json]:
    told = [each for each in servers if each["membership"] is not None]
    return {
        "sessions": sum(int(str(each["sessions"])) for each in told),
        "older_sessions": sum(int(str(each["older_sessions"])) for each in told),
        "members": row["members"][:MOST_NAMES],
        "still_through": row["still_through"][:MOST_NAMES],
        "passed_on": row["passed_on"][:MOST_NAMES],
        # From 16 on these hold the membership: the server refuses to take it.
        "kept_by": row["passed_on"][:MOST_NAMES] if row["finer"] and row["grantors"] else [],
        "administers": row["administers"],
        "servers": [*servers],
        "standbys_unseen": [each["server"] for each in servers if each["membership"] is None],
    }


def _server(place: str, found: Any, primary: Mapping[str, Any]) -> dict[str, Json]:
    if isinstance(found, Unseen):
        return _unseen(place, found.why, named=True)
    row = found[0]
    if row is None or row["role_oid"] != primary["role_oid"]:
        return _unseen(place, "it does not have the roles (yet)", named=True)
    return {
        "server": place,
        "membership": bool(row["grantors"]),
        "sessions": row["sessions"],
        "older_sessions": row["older_sessions"],
        "why": "",
        "named": True,
    }


def _unseen(place: str, why: str, *, named: bool) -> dict[str, Json]:
    return {"server": place, "membership": None, "sessions": 0, "older_sessions": 0,
            "why": why, "named": named}  # fmt: skip
