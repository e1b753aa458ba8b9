"""Revoke memberships of PostgreSQL roles, and grant again what was revoked.

The functions on the target do both as the one grantor, hitl_ops_owner, and keep the options (ADMIN,
and from 16 on INHERIT and SET) in between. Measured with 15 and 18: a session loses the rights with
its next statement, in an open transaction too; one that took the role on (SET ROLE) keeps it until
RESET ROLE, and an open cursor goes on.

A crash leaves it as it was, or revoked with its options kept: one transaction does both.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any, ClassVar

from remediation.domain.catalogue.postgres_membership import GRANT, REVOKE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Executor, Outcome, Point, Settled, Snapshot
from remediation.executors.errors import NotApplied, RollbackFailed, StepFailed, VerifyFailed
from remediation.executors.postgres_ending import LOOK_SECONDS
from remediation.executors.postgres_membership_look import NEEDED, look
from remediation.executors.postgres_operate import primary_of, role_oid
from remediation.executors.postgres_password import refuse_older
from remediation.executors.postgres_session import Connection, NotUsable, change
from remediation.executors.targets import Targets


class MembershipAction(Executor):
    """The common parts of revoking and granting."""

    function: ClassVar[str]
    # Whether the role is a member afterwards.
    membership: ClassVar[bool]

    def observe(self, step: Step, targets: Targets) -> Observation:
        return look(step, targets)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        role, granted = step.target.fields["role"], step.target.fields["granted"]
        names = observation.shown["administers"], observation.state["other_grantors"]
        administers, others = (", ".join(map(str, n)) if isinstance(n, list) else "" for n in names)
        if administers:
            raise NotApplied(f"{administers}: the role administers the cluster")
        if observation.state["membership_enrolled"] is not True:
            raise NotApplied(
                f"the membership of {role} in {granted} is not enrolled: an administrator of the"
                " cluster runs hitl_ops.manage_membership (docs/operate/targets.md)"
            )
        if others:
            raise NotApplied(
                f"{others} granted {granted} to {role}, too: an administrator of the cluster runs"
                " hitl_ops.manage_membership again"
            )

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        servers = observation.shown.get("servers")
        if not isinstance(servers, list) or not servers:
            return (Point(step.target.locator, None),)
        administers = observation.shown["administers"]
        # A superuser has every role; what became powerful since is not without access.
        powerful = isinstance(administers, list) and step.target.fields["role"] in administers
        through = powerful or bool(observation.shown["still_through"])
        return tuple(self._point(each, through) for each in servers)

    def _point(self, server: Any, through: bool) -> Point:
        place = f"server {server['server']}"
        if server["membership"] is None:
            opened = (f"{place}: not looked at: {server['why']}",) if server["named"] else ()
            return Point(place, None, opened)
        if server["membership"] is not self.membership:
            there = "still there" if server["membership"] else "not there yet"
            return Point(place, not server["membership"], (f"{place}: the membership is {there}",))
        if server["membership"] or through:
            return Point(place, False)
        # In which of them the role took the granted one on cannot be seen.
        return Point(place, None if server["older_sessions"] else True)

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Return the standbys that have not followed; before the primary did, nothing is left."""
        if self.settled(observation) is not Settled.APPLIED:
            return ()
        return super().left_open(step, observation)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        granted, role = step.target.fields["granted"], step.target.fields["role"]
        with ExitStack() as stack:
            primary = primary_of(stack, clearance, step, targets, deadline)
            try:
                refuse_older(primary, NEEDED)
            except NotUsable as error:
                raise NotApplied(error.detail) from None
            oids = f"{self._oid(primary, 'granted', granted)}::oid, "
            oids += f"{self._oid(primary, 'role', role)}::oid"
            statement = f"SELECT hitl_ops.{self.function}(%s, %s, {oids})"
            change(primary, statement, granted, role, wait=deadline.left)
            return Outcome({"membership": self.membership})

    def _oid(self, primary: Connection, name: str, role: str) -> int:
        """Return the oid that people decided about; without it, that of the name now."""
        if self.expected is not None:
            return int(str(self.expected[f"{name}_oid"]))
        return role_oid(primary, role)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        while True:
            try:
                seen = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            left = self.left_open(step, seen)
            if self.settled(seen) is Settled.APPLIED and not left:
                return Outcome(self.seen(seen), seen)
            if deadline.passed:
                said = f"the membership is {seen.state.get('membership')}"
                raise VerifyFailed("; ".join(left) or said)
            time.sleep(LOOK_SECONDS)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        earlier: MembershipAction = (
            GrantMembership() if snapshot["membership"] else RevokeMembership()
        )
        earlier.expected = snapshot
        try:
            earlier.apply(clearance, step, targets, deadline)
            return earlier.verify(clearance, step, targets, deadline)
        except StepFailed as error:
            raise RollbackFailed(str(error)) from error


class RevokeMembership(MembershipAction):
    """Take a role from another one."""

    spec = REVOKE
    function = "revoke_membership"
    membership = False

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        kept = observation.shown["kept_by"]
        if isinstance(kept, list) and kept:
            raise NotApplied(
                f"the role granted it to {', '.join(map(str, kept))}: an administrator of the"
                " cluster takes it from them first"
            )


class GrantMembership(MembershipAction):
    """Give a role again what was taken from it."""

    spec = GRANT
    function = "grant_membership"
    membership = True
