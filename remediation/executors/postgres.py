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
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.postgres import DISABLE, ENABLE, PROVIDER, REFUSED, ROLE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Outcome, Point, Settled, Snapshot
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    CredentialUnavailable,
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.postgres_cluster import cluster, read
from remediation.executors.postgres_ending import LOOK_SECONDS, Ending, ending_meanwhile, with_oid
from remediation.executors.postgres_live import LiveRole
from remediation.executors.postgres_look import OBSERVE_SECONDS, look
from remediation.executors.postgres_operate import (
    in_the_way,
    operate,
    primary_of,
    refuse_other_cluster,
    role_oid,
    turned_off,
)
from remediation.executors.postgres_servers import Server, standby_name
from remediation.executors.postgres_session import Connection, NotUsable, change
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

_DISABLE = "SELECT hitl_ops.disable(%s, {oid}::oid)"
_ENABLE = "SELECT hitl_ops.enable(%s, {oid}::oid)"
# What is recorded of the observation that confirms a step, beside the pin.
_RECORDED = (
    "sessions", "servers", "standbys_unseen", "members", "member_sessions", "definer_functions"
)  # fmt: skip


class _Role(LiveRole):
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
        if "oid" not in found:  # the name means no role; the one that was turned off is still seen
            return replace(GONE, shown=found)
        state = {field: found[field] for field in self.spec.pin_fields}
        shown = {field: found[field] for field in ROLE.shown_fields}
        return Observation(True, state, shown, simulated=False)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        has = [word for field, word in REFUSED.items() if observation.state[field] is not False]
        above = observation.shown.get("can_become") or []
        if isinstance(above, list) and above:
            raise NotApplied(
                f"the role can become {', '.join(map(str, above))}, and so could undo what is done"
            )
        if has:
            raise NotApplied(
                f"the role administers the cluster: it has {', '.join(has)}, and the functions on"
                " the target refuse it"
            )
        if observation.state["member_of_managed"] is not True:
            raise NotApplied("the role is not a member of hitl_managed")

    def seen(self, observation: Observation) -> dict[str, Json]:
        """Add what each server showed, and what goes on all the same, as it was seen then."""
        shown = {n: observation.shown[n] for n in _RECORDED if n in observation.shown}
        return {**observation.state, **shown}

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
        earlier: _Role = EnableRole() if snapshot["login"] else DisableRole()
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

    def _oid(self, primary: Connection, step: Step) -> int:
        """Return the oid that people decided about; without it, that of the name now."""
        if self.expected is not None:
            return int(str(self.expected["oid"]))
        return role_oid(primary, step.target.fields["role"])


class DisableRole(_Role):
    """Remove a role's right to log in, and end its sessions on every server."""

    spec = DISABLE
    login = False

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
        name = step.target.fields["cluster"]
        for each, standby in cluster(targets, name).standbys.items():
            place = standby_name(name, each)
            try:
                connection = operate(stack, standby, clearance, targets, deadline, standby=True)
                refuse_other_cluster(connection, primary)
                ending.add(place, connection)
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


DRIVER = Driver(PROVIDER.name, (DisableRole, EnableRole), read)
