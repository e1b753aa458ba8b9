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
from typing import ClassVar

import psycopg

from audit.tlog.canonical import Json
from remediation.domain.catalogue.postgres import DISABLE, ENABLE, PROVIDER, REFUSED, ROLE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Point, Settled, Snapshot
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    CredentialUnavailable,
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.postgres_cluster import PostgresServer, cluster, read
from remediation.executors.postgres_ending import LOOK_SECONDS, Ending, ending_meanwhile
from remediation.executors.postgres_look import OBSERVE_SECONDS, Server, look, standby_name
from remediation.executors.postgres_session import Connection, NotUsable, change, session
from remediation.executors.targets import Targets

# An operator of the target installs this file there.
INSTALL_SQL = Path(__file__).parent / "sql" / "hitl_ops.sql"

# How long `apply` and `tighten` wait for sessions to end and for standbys to follow. Then the step
# is recorded as partly applied, and the worker comes back later.
PATIENCE_SECONDS = 5.0
# Kept of the time allowed, to read which sessions are left.
NAMING_SECONDS = 2.0
# How long to wait for a lock before the role's own sessions are suspected of it.
LOCK_SECONDS = 1.0

_DISABLE = "SELECT hitl_ops.disable(%s)"
_ENABLE = "SELECT hitl_ops.enable(%s)"


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
            primary = self._primary(stack, clearance, step, targets, deadline)
            self._disable(primary, stack, clearance, step, targets, deadline)
            ending = Ending(step.target.fields["role"])
            ending.add(step.target.fields["cluster"], primary)
            return self._end(ending, stack, clearance, step, targets, deadline)

    def _disable(
        self,
        primary: Connection,
        stack: ExitStack,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
    ) -> None:
        """Commit NOLOGIN; end the role's sessions first if one may hold a lock on the role."""
        role = step.target.fields["role"]
        try:
            change(primary, _DISABLE, role, wait=LOCK_SECONDS)
            return
        except NotApplied as refusal:
            if not isinstance(refusal.__cause__, psycopg.errors.LockNotAvailable):
                raise
        second = self._primary(stack, clearance, step, targets, deadline)
        try:
            with ending_meanwhile(second, role):
                change(primary, _DISABLE, role, wait=deadline.left)
        except NotApplied as refusal:
            raise NotApplied(
                f"{refusal.detail}; the role stays on, its open sessions were signalled to end"
            ) from refusal

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
            opened = [text for point in self.points(step, seen) for text in point.open]
            left = [*dict.fromkeys([*opened, *left])]
        except TargetUnobservable as error:
            left.append(f"what else is open could not be read ({error.detail})")
        if not left:  # the last session ended after the last attempt
            return Outcome({"sessions_ended": ending.count})
        raise PartlyApplied(f"new logins were refused; still open: {'; '.join(left)}")


class EnableRole(_Role):
    """Give a role the right to log in."""

    spec = ENABLE
    login = True

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with ExitStack() as stack:
            primary = self._primary(stack, clearance, step, targets, deadline)
            change(primary, _ENABLE, step.target.fields["role"], wait=deadline.left)
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


DRIVER = Driver(PROVIDER.name, (DisableRole, EnableRole), read)
