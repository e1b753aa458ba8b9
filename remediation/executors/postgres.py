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

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.postgres_login import DISABLE, ENABLE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Outcome, Point, Settled, Snapshot
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed, StepFailed
from remediation.executors.postgres_ending import Ending, ending_meanwhile, with_oid
from remediation.executors.postgres_operate import in_the_way, primary_of, turned_off
from remediation.executors.postgres_role import (
    LOCK_SECONDS,
    NAMING_SECONDS,
    PATIENCE_SECONDS,
    RoleAction,
    add_standbys,
)
from remediation.executors.postgres_servers import Server
from remediation.executors.postgres_session import Connection, change
from remediation.executors.postgres_traces import session_traces
from remediation.executors.targets import Targets

# An operator of the target installs this file there.
INSTALL_SQL = Path(__file__).parent / "sql" / "hitl_ops.sql"

_DISABLE = "SELECT hitl_ops.disable(%s, {oid}::oid)"
_ENABLE = "SELECT hitl_ops.enable(%s, {oid}::oid)"


class LoginAction(RoleAction):
    """The common parts of disabling and enabling."""

    # Whether the role can log in afterwards.
    login: ClassVar[bool]

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
        earlier: LoginAction = EnableRole() if snapshot["login"] else DisableRole()
        earlier.expected = snapshot
        try:
            earlier.apply(clearance, step, targets, deadline)
            return earlier.verify(clearance, step, targets, deadline)
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error

    def _complete(self, step: Step, observation: Observation) -> bool:
        """Return whether the target is in the wanted state, with nothing left open."""
        return (
            observation.exists
            and observation.state["login"] is self.login
            and not self.left_open(step, observation)
        )


class DisableRole(LoginAction):
    """Remove a role's right to log in, and end its sessions on every server."""

    spec = DISABLE
    login = False

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return session_traces(step, targets)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        """Return one point per server; without access: no login, and no session is left."""
        servers = observation.shown.get("servers")
        if not isinstance(servers, list) or not servers:
            return (Point(step.target.locator, None),)
        return tuple(_point(step, Server.from_json(each)) for each in servers)

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Return what is open though the primary refuses logins; before that nothing is left.

        A standby that NOLOGIN has not reached is left open: how long that takes has no limit.
        """
        if self.settled(observation) is not Settled.APPLIED:
            return ()
        return super().left_open(step, observation)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with ExitStack() as stack:
            primary = primary_of(stack, clearance, step, targets, deadline)
            oid = self._oid(primary, step)
            self._disable(primary, oid, stack, clearance, step, targets, deadline)
            ending = Ending(step.target.fields["role"], oid)
            ending.add(step.target.fields["cluster"], primary)
            return self._end(ending, primary, stack, clearance, step, targets, deadline)

    def _disable(
        self,
        primary: Connection,
        oid: int,
        stack: ExitStack,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
    ) -> None:
        """Commit NOLOGIN; end the role's sessions first if one may be in the way."""
        role, statement = step.target.fields["role"], with_oid(_DISABLE, oid)
        try:
            change(primary, statement, role, wait=LOCK_SECONDS)
            return
        except NotApplied as refusal:
            if not in_the_way(refusal):
                raise
        second = primary_of(stack, clearance, step, targets, deadline)
        with ending_meanwhile(second, role, oid, primary.info.backend_pid) as holders:
            while True:
                try:
                    change(primary, statement, role, wait=deadline.left)
                    return
                except NotApplied as refusal:
                    # A role that changes the row again and again has its sessions ended meanwhile.
                    if in_the_way(refusal) and deadline.left > NAMING_SECONDS:
                        continue
                    held = f"; held up by {', '.join(sorted(holders))}" if holders else ""
                    raise NotApplied(
                        f"{refusal.detail}{held}; the role stays on, its open sessions were"
                        " signalled to end"
                    ) from refusal

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End sessions again on each server where the role is off; set no NOLOGIN again."""
        with ExitStack() as stack:
            primary = primary_of(stack, clearance, step, targets, deadline)
            ending = Ending(
                step.target.fields["role"], turned_off(primary, step.target.fields["role"])
            )
            ending.add(step.target.fields["cluster"], primary)
            if ending.on:
                return Outcome({"left_alone": "the role takes logins again; no session was ended"})
            return self._end(ending, primary, stack, clearance, step, targets, deadline)

    def _end(
        self,
        ending: Ending,
        primary: Connection,
        stack: ExitStack,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
    ) -> Outcome:
        """End the role's sessions on all servers. Raises PartlyApplied with what is left."""
        add_standbys(ending, primary, stack, clearance, step, targets, deadline)
        until = min(deadline.at - NAMING_SECONDS, Deadline.within(PATIENCE_SECONDS).at)
        if ending.finish(Deadline(until)):
            return Outcome({"sessions_ended": ending.count})
        left = [f"server {place}: {why}" for place, why in ending.failed.items()]
        try:
            seen = self._look(step, targets, deadline.left)
            opened = [text for point in self.points(step, seen) for text in point.open]
            left = [*dict.fromkeys([*opened, *left])]
        except TargetUnobservable as error:
            left.append(f"what else is open could not be read ({error.detail})")
        if not left:  # the last session ended after the last attempt
            return Outcome({"sessions_ended": ending.count})
        raise PartlyApplied(f"new logins were refused; still open: {'; '.join(left)}")


class EnableRole(LoginAction):
    """Give a role the right to log in."""

    spec = ENABLE
    login = True

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with ExitStack() as stack:
            primary = primary_of(stack, clearance, step, targets, deadline)
            statement = with_oid(_ENABLE, self._oid(primary, step))
            change(primary, statement, step.target.fields["role"], wait=deadline.left)
            return Outcome()


def _point(step: Step, server: Server) -> Point:
    opened = tuple(server.open_for(step.target.fields["role"]))
    if server.login is None:
        return Point(server.place, None, opened)
    if server.login:
        opened = (f"server {server.name}: it still takes logins of the role", *opened)
    return Point(server.place, not server.login and not opened, opened)
