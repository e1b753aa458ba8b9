"""Connect to a target cluster, with a time limit; refuse the portal's own cluster."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Loader
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from remediation.domain.errors import Refused
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied, OutcomeUnknown

# Per address of the host; libpq accepts no value below 2. The resolver has its own limit.
CONNECT_SECONDS = 4
# For a sign-in with a new password: a server that asks for the password itself gets none.
ONLY_SCRAM = "scram-sha-256"
STATEMENT_SECONDS = 5.0  # catalogue reads and ALTER ROLE take milliseconds unless they wait
# The server's own timeout comes first; this one is for a server that no longer answers.
GRACE_SECONDS = 1.0

Connection = psycopg.Connection[dict[str, Any]]


# What `hitl_ops.version()` returns at least; an older installation lacks functions.
HITL_OPS = 3


class NotUsable(Refused):
    """The cluster cannot be used with this login; nothing was changed there."""


@contextmanager
def session(
    dsn: str,
    *,
    portal: int | None,
    deadline: Deadline,
    read_only: bool,
    standby: bool = False,
    functions: bool = True,
) -> Iterator[Connection]:
    """Yield a connection in autocommit mode that is closed soon after the deadline.

    `portal` is the portal's system identifier; `standby`: the server must be one, and no primary;
    `functions`: the database must have hitl_ops. Raises NotUsable if there is no connection, the
    cluster is the portal's own, the server has the other part, or the login has more rights than
    to call functions.
    """
    try:
        connection = _connect(dsn, deadline, read_only)
    except psycopg.Error as error:
        raise NotUsable(words(error)) from None
    with connection, _cut_off(connection, deadline.left + GRACE_SECONDS):
        try:
            _examine(connection, portal, standby)
            if functions:
                _refuse_strange_functions(connection)
                _refuse_old_functions(connection)
        except psycopg.Error as error:
            raise NotUsable(words(error)) from None
        yield connection


def change(connection: Connection, statement: str, *names: str, wait: float) -> None:
    """Execute one statement in one transaction, which waits for locks no longer than this.

    The session's limit for a statement counts, too. Raises NotApplied or OutcomeUnknown.
    """
    try:
        limit = str(max(1, int(wait * 1000)))
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [limit])
        connection.execute(statement.encode(), names)
    except psycopg.Error as error:
        # After an ERROR the statement is rolled back; after FATAL or no answer that is unknown.
        if error.diag.severity_nonlocalized == "ERROR":
            raise NotApplied(words(error)) from error
        raise OutcomeUnknown(words(error)) from error


def words(error: Exception) -> str:
    """Return an error message on one line, of limited length."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _connect(dsn: str, deadline: Deadline, read_only: bool) -> Connection:
    try:
        given = conninfo_to_dict(dsn).get("options") or ""
    except psycopg.ProgrammingError:  # hide its message, which quotes the DSN
        raise NotUsable("the DSN is malformed") from None
    milliseconds = int(min(STATEMENT_SECONDS, deadline.left) * 1000)
    if milliseconds < 1:  # 0 would mean no limit
        raise NotUsable("no time is left")
    ours = {
        "statement_timeout": milliseconds,
        "lock_timeout": milliseconds,
        "default_transaction_read_only": "on" if read_only else "off",
        "search_path": "pg_catalog,pg_temp",
        "timezone": "UTC",
        "datestyle": "ISO",
        # A synchronous standby that is away would hold the commit, without any limit of time.
        "synchronous_commit": "local",
    }
    connection = psycopg.connect(
        dsn,
        client_encoding="utf8",
        autocommit=True,
        row_factory=dict_row,
        prepare_threshold=None,
        connect_timeout=CONNECT_SECONDS,
        application_name="hitlportal observe" if read_only else "hitlportal operate",
        # The last setting of a name counts.
        options=" ".join([str(given), *(f"-c {name}={value}" for name, value in ours.items())]),
    )
    for type_name in ("text", "name"):
        connection.adapters.register_loader(type_name, _AnyText)
    return connection


class _AnyText(Loader):
    """Read text, also names that are not in the encoding of their database."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode(errors="replace")


def _examine(connection: Connection, portal: int | None, standby: bool) -> None:
    """Refuse the portal's own cluster, a login with too many rights, and the wrong part.

    A standby shows yesterday's roles when its replication stands, and takes no change.
    """
    row = connection.execute(
        "SELECT c.system_identifier, r.rolsuper OR r.rolcreaterole AS too_much,"
        " pg_is_in_recovery() AS standby"
        " FROM pg_control_system() c, pg_roles r WHERE r.rolname = session_user"
    ).fetchone()
    if row is None:
        raise NotUsable("the cluster does not know its own login")
    if portal is not None and row["system_identifier"] == portal:
        raise NotUsable("protected_target: this is the portal's own cluster")
    if row["too_much"]:
        raise NotUsable("the login is a superuser or may create roles; use the hitl_* logins")
    if row["standby"] and not standby:
        raise NotUsable("this server is a standby; the DSN must lead to the primary")
    if standby and not row["standby"]:
        raise NotUsable("this server is no standby (any more)")


# Which are somebody else's; or somebody can become their owner. Only pg_catalog is called for it.
_STRANGE = """
SELECT n.nspowner::regrole::text AS owner,
       EXISTS (SELECT FROM pg_proc p WHERE p.pronamespace = n.oid AND p.proowner <> n.nspowner)
       OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relowner <> n.nspowner)
       AS others,
       ARRAY(SELECT m.member::regrole::text FROM pg_auth_members m
              WHERE m.roleid = n.nspowner
                AND (coalesce((to_jsonb(m) ->> 'set_option')::boolean, true)
                     OR coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true))) AS members
  FROM pg_namespace n WHERE n.nspname = 'hitl_ops'
"""


def _refuse_strange_functions(connection: Connection) -> None:
    """Refuse functions that somebody put in the place of ours: they would run as our login."""
    row = connection.execute(_STRANGE).fetchone()
    if row is None:
        raise NotUsable("hitl_ops is not in this database: install hitl_ops.sql there")
    if row["owner"] != "hitl_ops_owner" or row["others"]:
        raise NotUsable("hitl_ops has functions of somebody else; none of them was called")
    if row["members"]:
        raise NotUsable(f"somebody can become hitl_ops_owner: {', '.join(row['members'])}")


def system_identifier(connection: Connection) -> int:
    row = connection.execute("SELECT system_identifier FROM pg_control_system()").fetchone()
    return int(row["system_identifier"]) if row else 0


def _refuse_old_functions(connection: Connection) -> None:
    there = connection.execute(
        "SELECT p.proname::text AS name FROM pg_proc p"
        " JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'hitl_ops'"
        " AND p.proname IN ('version', 'sessions')"
    ).fetchall()
    names = {row["name"] for row in there}
    if not names:
        raise NotUsable("hitl_ops is not in this database: install hitl_ops.sql there")
    version = 1
    if "version" in names:
        row = connection.execute("SELECT hitl_ops.version() AS version").fetchone()
        version = row["version"] if row else 1
    if version < HITL_OPS:
        raise NotUsable(
            f"hitl_ops on this cluster has version {version}, this worker needs {HITL_OPS}:"
            " install hitl_ops.sql again"
        )


@contextmanager
def _cut_off(connection: Connection, seconds: float) -> Iterator[None]:
    """Shut down the connection's socket after this time; libpq then reports it as lost."""
    # An own descriptor, because libpq may close its one and the number may be reused.
    with socket.socket(fileno=os.dup(connection.fileno())) as handle:
        timer = threading.Timer(seconds, _shut_down, (handle,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut_down(handle: socket.socket) -> None:
    with suppress(OSError):  # the server was faster
        handle.shutdown(socket.SHUT_RDWR)
