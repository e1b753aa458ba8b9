"""Tell which sessions a step is about to end, read before they end with the observer's login.

The text of a query is left out unless the targets file says `record_queries = true`, and an
administrator let the observer ask for it (hitl_ops.session_queries): then it is what stands before
the first literal or comment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.plan import Step
from remediation.executors.postgres_cluster import cluster
from remediation.executors.postgres_password import Unseen, moment, on_each
from remediation.executors.postgres_session import HITL_OPS, Connection
from remediation.executors.targets import Targets

# The version of hitl_ops that tells more of a session than its number and program.
DETAILS = 6
# Of all servers together.
MOST_SESSIONS = 100
MOST_TEXT = 200

_OID = "SELECT oid::bigint AS oid FROM pg_roles WHERE rolname = %s"
_VERSION = "SELECT hitl_ops.version() AS version"
_DETAILS = "SELECT * FROM hitl_ops.session_details(%s::oid)"
_LIST = (
    "SELECT pid, since, application_name, count(*) OVER ()::integer AS total,"
    " extract(epoch FROM clock_timestamp() - since)::double precision AS age"
    " FROM hitl_ops.session_list(%s::oid) LIMIT 100"
)
_QUERIES = "SELECT pid, query FROM hitl_ops.session_queries(%s::oid)"
_NOT_TOLD = "the functions on the target do not tell queries to this login"


def session_traces(
    step: Step, targets: Targets, before: datetime | None = None
) -> Mapping[str, Json]:
    """Return the role's open sessions on the primary and on each standby of the targets file; with
    a moment, those that began before. {} if there is none. Raises TargetUnobservable."""
    name, role = step.target.fields["cluster"], step.target.fields["role"]
    target = cluster(targets, name)
    found = on_each(
        name,
        target,
        lambda connection: _read(connection, role, queries=target.record_queries),
        portal=targets.portal_system_identifier,
        needed=HITL_OPS,
    )
    unseen = [f"server {place}: {one.why}" for place, one in found.items()
              if isinstance(one, Unseen)]  # fmt: skip
    rows, more = list[dict[str, Any]](), 0
    for place, some in found.items():
        if isinstance(some, Unseen) or not some:
            continue
        old = [{**row, "place": place} for row in some
               if before is None or row["began"] < before]  # fmt: skip
        rows += old
        # The oldest come first: what a server did not send is old only if all that it sent is.
        more += some[0]["total"] - len(some) if len(old) == len(some) else 0
    traces: dict[str, Json] = {}
    if rows:
        traces["sessions"] = [_trace(row) for row in rows[:MOST_SESSIONS]]
    if more := more + max(0, len(rows) - MOST_SESSIONS):
        traces["more"] = more
    if unseen:
        traces["not_looked_at"] = [*unseen]
    return traces


def _read(connection: Connection, role: str, *, queries: bool) -> list[dict[str, Any]]:
    """Return the role's sessions on one server, the oldest first."""
    row = connection.execute(_OID, [role]).fetchone()
    version = connection.execute(_VERSION).fetchone()
    if row is None or version is None:
        return []
    told = version["version"] >= DETAILS
    asked = datetime.now(UTC)
    found = connection.execute(_DETAILS if told else _LIST, [row["oid"]]).fetchall()
    at = moment(asked)
    for each in found:
        each["began"] = at - timedelta(seconds=each["age"])
    if queries:
        texts = _queries(connection, row["oid"]) if told else None
        for each in found:
            each["query"] = _NOT_TOLD if texts is None else texts.get(each["pid"], "")
    return found


def _queries(connection: Connection, oid: int) -> dict[int, str] | None:
    """Return the beginning of each session's query; None if this login may not ask."""
    try:
        rows = connection.execute(_QUERIES, [oid]).fetchall()
    except psycopg.errors.InsufficientPrivilege:
        return None
    return {row["pid"]: row["query"] or "" for row in rows}


def _trace(row: Mapping[str, Any]) -> Json:
    more = {
        name: str(row[key] or "")[:MOST_TEXT]
        for name, key in (("address", "address"), ("database", "database"), ("state", "state"),
                          ("query", "query"))
        if key in row
    }  # fmt: skip
    return {
        "server": row["place"],
        "pid": row["pid"],
        "application": str(row["application_name"] or "")[:MOST_TEXT],
        "since": instant.dump(row["since"].replace(microsecond=0)),
        **more,
    }
