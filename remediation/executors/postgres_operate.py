"""Connect to a cluster with the operator's login: to the cluster that the observer sees."""

from __future__ import annotations

from contextlib import ExitStack

import psycopg

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.plan import Step
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied
from remediation.executors.postgres_cluster import PostgresServer, cluster
from remediation.executors.postgres_session import (
    Connection,
    NotUsable,
    session,
    system_identifier,
    words,
)
from remediation.executors.targets import Targets

_OTHER = (
    "the operator's DSN leads to another cluster than the observer's; nothing was changed there"
)


def primary_of(
    stack: ExitStack, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
) -> Connection:
    """Return a connection of the operator's login to the primary that the observer sees.

    Raises NotApplied.
    """
    try:
        target = cluster(targets, step.target.fields["cluster"])
        operator = operate(stack, target, clearance, targets, deadline)
        with session(
            target.observe(),
            portal=targets.portal_system_identifier,
            deadline=deadline,
            read_only=True,
        ) as observer:
            if system_identifier(observer) != system_identifier(operator):
                raise NotApplied(_OTHER)
        return operator
    except (TargetUnobservable, NotUsable) as error:
        raise NotApplied(error.detail) from error
    except psycopg.Error as error:
        raise NotApplied(words(error)) from error


def refuse_other_cluster(standby: Connection, primary: Connection) -> None:
    """Raise NotUsable for a standby of another cluster."""
    try:
        same = system_identifier(standby) == system_identifier(primary)
    except psycopg.Error as error:
        raise NotUsable(words(error)) from None
    if not same:
        raise NotUsable("this server belongs to another cluster")


def role_oid(primary: Connection, role: str) -> int:
    """Return the oid that the name has now. Raises NotApplied."""
    try:
        query = "SELECT oid::bigint AS oid FROM pg_roles WHERE rolname = %s"
        row = primary.execute(query, [role]).fetchone()
    except psycopg.Error as error:
        raise NotApplied(words(error)) from error
    if row is None:
        raise NotApplied(f'there is no role "{role}"')
    return int(row["oid"])


def turned_off(primary: Connection, role: str) -> int:
    """Return the oid that was turned off last under this name; else the one that it has now."""
    try:
        query = "SELECT role::bigint AS oid FROM hitl_ops.turned_off_as(%s)"
        row = primary.execute(query, [role]).fetchone()
    except psycopg.Error as error:
        raise NotApplied(words(error)) from error
    return int(row["oid"]) if row else role_oid(primary, role)


def in_the_way(refusal: NotApplied) -> bool:
    """Return whether another session was in the way: it held the row's lock, or changed the row."""
    cause = refusal.__cause__
    return isinstance(cause, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected) or (
        isinstance(cause, psycopg.errors.InternalError_) and "concurrently" in str(cause)
    )


def operate(
    stack: ExitStack,
    server: PostgresServer,
    clearance: Clearance,
    targets: Targets,
    deadline: Deadline,
    *,
    standby: bool = False,
) -> Connection:
    """Return a connection of the operator's login, closed with the stack. Raises NotUsable."""
    return stack.enter_context(
        session(
            server.operate(clearance),
            portal=targets.portal_system_identifier,
            deadline=deadline,
            read_only=False,
            standby=standby,
        )
    )
