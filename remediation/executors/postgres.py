"""Disable and enable PostgreSQL roles through the functions that sql/hitl_ops.sql installs.

Order of disabling: commit NOLOGIN at the primary → wait until each standby of the targets file
shows it (it arrives by replication) → end the sessions of every server until two reads in a row
find none → verify with a new connection of the observer's login. In another order a connection
pool would reconnect before its last session ended. LOGIN reverses it; ended sessions are not
restored.

A session that does not end (a stopped process, code that takes no interrupt) leaves the step partly
applied: the role stays off, `left_open` names server and pid, and `tighten` tries again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from audit.tlog.canonical import Json
from remediation.domain.catalogue.postgres import DISABLE, ENABLE, PROVIDER, REFUSED, ROLE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    CredentialUnavailable,
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.postgres_cluster import PostgresServer, cluster, read
from remediation.executors.postgres_look import OBSERVE_SECONDS, Server, look, standby_name
from remediation.executors.postgres_session import Connection, NotUsable, session, words
from remediation.executors.targets import Targets

# An operator of the target installs this file there.
INSTALL_SQL = Path(__file__).parent / "sql" / "hitl_ops.sql"

# Between two reads of a role's sessions. A login that was accepted just before the commit of
# NOLOGIN appears as a session some milliseconds later.
LOOK_SECONDS = 0.1
# How long `apply` and `tighten` wait for sessions to end and for standbys to follow. Then the step
# is recorded as partly applied, and the worker comes back later.
PATIENCE_SECONDS = 5.0
# Kept of the time allowed, to read which sessions are left.
NAMING_SECONDS = 2.0

# Ends the sessions only while logins are off there: somebody may have set LOGIN on purpose.
_TERMINATE = """
SELECT CASE WHEN NOT rolcanlogin THEN hitl_ops.terminate(rolname::text) END AS open
  FROM pg_roles WHERE rolname = %s
"""


class _Role(Executor):
    """The common parts of disabling and enabling a role."""

    login: ClassVar[bool]

    def observe(self, step: Step, targets: Targets) -> Observation:
        return self._look(step, targets, OBSERVE_SECONDS)

    def _look(self, step: Step, targets: Targets, seconds: float) -> Observation:
        name = step.target.fields["cluster"]
        found = look(
            name,
            cluster(targets, name),
            step.target.fields["role"],
            portal=targets.portal_system_identifier,
            seconds=seconds,
        )
        if found is None:
            return GONE
        state = {field: found[field] for field in self.spec.pin_fields}
        shown = {field: found[field] for field in ROLE.shown_fields}
        return Observation(True, state, shown, simulated=False)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        has = [word for field, word in REFUSED.items() if observation.state[field] is not False]
        if has:
            raise NotApplied(
                f"the role administers the cluster: it has {', '.join(has)}, and the functions on"
                " the target refuse it"
            )
        if observation.state["member_of_managed"] is not True:
            raise NotApplied("the role is not a member of hitl_managed")

    def seen(self, observation: Observation) -> dict[str, Json]:
        """Add, for each server, whether it was looked at, takes logins, and has sessions."""
        return {**observation.state, **{n: observation.shown[n] for n in ("sessions", "servers")}}

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        seen = self._read_until(lambda o: self._complete(step, o), step, targets, deadline)
        return Outcome(self.seen(seen))

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        earlier: type[_Role] = EnableRole if snapshot["login"] else DisableRole
        try:
            earlier().apply(clearance, step, targets, deadline)
            return earlier().verify(clearance, step, targets, deadline)
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error

    def _complete(self, step: Step, observation: Observation) -> bool:
        """Return whether the target is in the wanted state, with nothing left open."""
        return (
            observation.exists
            and observation.state["login"] is self.login
            and not self.left_open(step, observation)
        )

    def _read_until(
        self,
        wanted: Callable[[Observation], bool],
        step: Step,
        targets: Targets,
        deadline: Deadline,
    ) -> Observation:
        while True:
            try:
                seen = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if wanted(seen):
                return seen
            if deadline.passed:
                still = "; ".join(self.left_open(step, seen))
                raise VerifyFailed(still or f"the role's login is {seen.state.get('login')}")
            time.sleep(LOOK_SECONDS)

    def _primary(
        self, stack: ExitStack, clearance: Clearance, step: Step, targets: Targets, end: Deadline
    ) -> Connection:
        """Return a connection of the operator's login to the primary. Raises NotApplied."""
        try:
            target = cluster(targets, step.target.fields["cluster"])
            return _operate(stack, target, clearance, targets, end)
        except (TargetUnobservable, NotUsable) as error:
            raise NotApplied(error.detail) from error


class DisableRole(_Role):
    """Remove a role's right to log in, and end its sessions on every server."""

    spec = DISABLE
    login = False

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        """Return one point per server; without access: no login, and no session is left."""
        servers = observation.shown.get("servers")
        if not observation.exists or not isinstance(servers, list) or not servers:
            return (Point(step.target.locator, None),)
        return tuple(_point(step, Server.from_json(each)) for each in servers)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with ExitStack() as stack:
            primary = self._primary(stack, clearance, step, targets, deadline)
            _change(primary, "SELECT hitl_ops.disable(%s)", step.target.fields["role"])
            ending = Ending(step.target.fields["role"])
            ending.add(step.target.fields["cluster"], primary)
            return self._end(ending, stack, clearance, step, targets, deadline)

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End sessions again on each server where the role is off; set no NOLOGIN again."""
        with ExitStack() as stack:
            primary = self._primary(stack, clearance, step, targets, deadline)
            ending = Ending(step.target.fields["role"])
            ending.add(step.target.fields["cluster"], primary)
            if ending.on:
                return Outcome({"left_alone": "the role takes logins again; no session was ended"})
            return self._end(ending, stack, clearance, step, targets, deadline)

    def _end(
        self,
        ending: Ending,
        stack: ExitStack,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
    ) -> Outcome:
        """End the role's sessions on all servers. Raises PartlyApplied with what is left."""
        name = step.target.fields["cluster"]
        for each, standby in cluster(targets, name).standbys.items():
            place = standby_name(name, each)
            try:
                ending.add(
                    place, _operate(stack, standby, clearance, targets, deadline, standby=True)
                )
            except (NotUsable, CredentialUnavailable) as error:
                ending.failed[place] = error.detail
        until = min(deadline.at - NAMING_SECONDS, Deadline.within(PATIENCE_SECONDS).at)
        if ending.finish(Deadline(until)):
            return Outcome({"sessions_ended": ending.count})
        left = [f"server {place}: {why}" for place, why in ending.failed.items()]
        try:
            seen = self._look(step, targets, deadline.left)
            left = [*dict.fromkeys([*self.left_open(step, seen), *left])]
        except TargetUnobservable as error:
            left.append(f"what else is open could not be read ({error.detail})")
        if not left:  # the last session ended after the last attempt
            return Outcome({"sessions_ended": ending.count})
        raise PartlyApplied(f"new logins are refused; still open: {'; '.join(left)}")


class EnableRole(_Role):
    """Give a role the right to log in."""

    spec = ENABLE
    login = True

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with ExitStack() as stack:
            primary = self._primary(stack, clearance, step, targets, deadline)
            _change(primary, "SELECT hitl_ops.enable(%s)", step.target.fields["role"])
            return Outcome()


def _point(step: Step, server: Server) -> Point:
    opened = tuple(server.open_for(step.target.fields["role"]))
    if server.login is None:
        return Point(server.place, None, opened)
    if server.login:
        opened = (f"server {server.name}: it still takes logins of the role", *opened)
    return Point(server.place, not server.login and not opened, opened)


def _operate(
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


def _change(connection: Connection, statement: Any, role: str) -> None:
    """Execute one statement in one transaction. Raises NotApplied or OutcomeUnknown."""
    try:
        connection.execute(statement, [role])
    except psycopg.Error as error:
        # After an ERROR the statement is rolled back; after FATAL or no answer that is unknown.
        if error.diag.severity_nonlocalized == "ERROR":
            raise NotApplied(words(error)) from error
        raise OutcomeUnknown(words(error)) from error


class Ending:
    """End a role's sessions on several servers, each until two looks in a row find none.

    A server where the role is still on (a standby that has not received NOLOGIN) is not done.
    """

    def __init__(self, role: str) -> None:
        self._role = role
        self._servers: dict[str, Connection] = {}
        self._found: dict[str, int] = {}
        self._quiet: dict[str, int] = {}
        self.on = False  # the role was on at the last look at some server
        self.failed: dict[str, str] = {}  # why a server is not done, by server

    @property
    def count(self) -> int:
        return sum(self._found.values())

    def add(self, name: str, connection: Connection) -> None:
        """Add a server, and signal its sessions at once."""
        self._servers[name] = connection
        self._found[name] = self._quiet[name] = 0
        self._signal(name)

    def finish(self, deadline: Deadline) -> bool:
        """Repeat on all servers; return whether all are done when they are or time is up."""
        while True:
            todo = [n for n in self._servers if self._quiet[n] < 2 and n not in self.failed]
            if not todo:
                return not self.failed
            if deadline.passed:
                return False
            time.sleep(LOOK_SECONDS)
            self.on = False
            for name in todo:
                self._signal(name)

    def _signal(self, name: str) -> None:
        try:
            row = self._servers[name].execute(_TERMINATE, [self._role]).fetchone()
        except psycopg.Error as error:
            self.failed[name] = words(error)
            return
        still_open = row["open"] if row else 0
        if still_open is None:
            self.on, self._quiet[name] = True, 0
            return
        self._found[name] = max(self._found[name], still_open)
        self._quiet[name] = 0 if still_open else self._quiet[name] + 1


DRIVER = Driver(PROVIDER.name, (DisableRole, EnableRole), read)
