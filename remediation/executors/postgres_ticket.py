"""Set a verifier with a ticket: the login that sets one cannot open a ticket, and the other way.

Where the targets file names no ticket_dsn_file, an administrator of the target opens each ticket by
hand. Of a server's error only the first line is passed on: its context would quote the verifier.
"""

from __future__ import annotations

import hashlib

import psycopg

from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step
from remediation.executors.base import Deadline
from remediation.executors.credentials import for_operating
from remediation.executors.delivery import ValueRefused
from remediation.executors.errors import NotApplied, OutcomeUnknown, StepFailed
from remediation.executors.postgres_cluster import cluster
from remediation.executors.postgres_session import Connection, NotUsable, session
from remediation.executors.targets import Targets

TICKET_SECONDS = 60
_ISSUE = "SELECT hitl_ops.issue(%s, %s, %s::oid, %s, %s)"
# What check_password_hook of a target raises for a value that its policy refuses.
_POLICY = ("22023", "28P01")
_BY_HAND = "; an administrator of the target opens one by hitl_ops.issue (docs/operate/targets.md)"


def open_ticket(
    clearance: Clearance,
    step: Step,
    targets: Targets,
    deadline: Deadline,
    *,
    action: str,
    oid: int,
    verifier: str,
) -> None:
    """Open a ticket for exactly this change, if this worker has the login for it.

    Raises NotApplied.
    """
    target = cluster(targets, step.target.fields["cluster"])
    if target.ticket_dsn is None:
        return
    digest = hashlib.sha256(verifier.encode()).hexdigest()
    try:
        with session(
            for_operating(clearance, target.ticket_dsn),
            portal=targets.portal_system_identifier,
            deadline=deadline,
            read_only=False,
        ) as connection:
            asked = [action, step.target.fields["role"], oid, TICKET_SECONDS, digest]
            connection.execute(_ISSUE, asked)
    except NotUsable as error:
        raise NotApplied(f"no ticket could be opened: {error.detail}") from None
    except psycopg.Error as error:
        raise NotApplied(f"no ticket could be opened: {first_line(error)}") from None


def call(connection: Connection, statement: str, parameters: list[object], *, wait: float) -> None:
    """Call a function that needs a ticket; wait for locks no longer than this.

    Raises ValueRefused, NotApplied or OutcomeUnknown.
    """
    try:
        limit = str(max(1, int(wait * 1000)))
        connection.execute("SELECT set_config('lock_timeout', %s, false)", [limit])
        connection.execute(statement.encode(), parameters)
    except psycopg.Error as error:
        refusal = _refusal(error)
        refusal.__cause__ = error  # read by `in_the_way`; closed() forgets it
        raise refusal  # noqa: B904


def _refusal(error: psycopg.Error) -> StepFailed:
    said = first_line(error)
    # After an ERROR the statement is rolled back; after FATAL or no answer that is unknown.
    if error.diag.severity_nonlocalized != "ERROR":
        return OutcomeUnknown(said)
    if error.sqlstate in _POLICY:
        return ValueRefused(said)
    return NotApplied(said + (_BY_HAND if "no ticket is open" in said else ""))


def first_line(error: psycopg.Error) -> str:
    """Return the server's message without its context."""
    said = error.diag.message_primary or str(error).partition("\n")[0]
    return " ".join(said.split())[:300] or type(error).__name__
