"""Disable and enable PostgreSQL roles through the functions that sql/hitl_ops.sql installs.

Order of disabling: commit NOLOGIN → end the sessions until two reads in a row find none → verify
with a new connection of the observer's login. In another order a connection pool would reconnect
before its last session ended. LOGIN reverses it; ended sessions are not restored.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import psycopg

from remediation.domain.catalogue.postgres import DISABLE, ENABLE, PROVIDER, ROLE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import (
    GONE,
    Deadline,
    Executor,
    Outcome,
    Settled,
    Snapshot,
)
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.postgres_cluster import cluster, read
from remediation.executors.postgres_session import Connection, NotUsable, session, words
from remediation.executors.targets import Targets

# An operator of the target installs this file there.
INSTALL_SQL = Path(__file__).parent / "sql" / "hitl_ops.sql"

OBSERVE_SECONDS = 8.0  # one connection and one statement
# Between two reads of a role's sessions. A login that was accepted just before the commit of
# NOLOGIN appears as a session some milliseconds later.
LOOK_SECONDS = 0.1

_OBSERVE = """
SELECT r.oid::bigint AS oid, r.rolcanlogin AS login, r.rolsuper AS superuser,
       EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
               WHERE g.rolname = 'hitl_managed' AND m.member = r.oid) AS member_of_managed,
       s.sessions, date_trunc('second', s.last_activity)::text AS last_activity,
       r.rolvaliduntil::text AS valid_until,
       (SELECT count(*) FROM pg_shdepend d
        WHERE d.refclassid = 'pg_authid'::regclass AND d.refobjid = r.oid AND d.deptype = 'o'
       ) AS owned_objects,
       (SELECT count(*) FROM pg_prepared_xacts p WHERE p.owner = r.rolname
       ) AS prepared_transactions,
       ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
             WHERE m.member = r.oid ORDER BY 1) AS member_of,
       ARRAY(SELECT g.rolname::text FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.member
             WHERE m.roleid = r.oid AND g.rolname <> 'hitl_ops_owner' ORDER BY 1) AS members
  FROM pg_roles r CROSS JOIN LATERAL hitl_ops.sessions(r.oid) s
 WHERE r.rolname = %s
"""


class _Role(Executor):
    """The common parts of disabling and enabling a role."""

    login: ClassVar[bool]

    def observe(self, step: Step, targets: Targets) -> Observation:
        dsn = cluster(targets, step.target.fields["cluster"]).observe()
        deadline = Deadline.within(OBSERVE_SECONDS)
        portal = targets.portal_system_identifier
        try:
            with session(dsn, portal=portal, deadline=deadline, read_only=True) as connection:
                row = connection.execute(_OBSERVE, [step.target.fields["role"]]).fetchone()
        except (psycopg.Error, NotUsable) as error:
            raise TargetUnobservable(f"{step.target.locator}: {words(error)}") from error
        if row is None:
            return GONE
        state = {name: row[name] for name in self.spec.pin_fields}
        shown = {name: row[name] for name in ROLE.shown_fields}
        return Observation(True, state, shown, simulated=False)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["superuser"]:
            raise NotApplied("the role is a superuser")
        if not observation.state["member_of_managed"]:
            raise NotApplied("the role is not a member of hitl_managed")

    def settled(self, observation: Observation) -> Settled | None:
        settled = super().settled(observation)
        if settled is Settled.APPLIED and not self._complete(observation):
            return None  # NOLOGIN took effect; the sessions may still be ending
        return settled

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        seen = self._read_until(self._complete, step, targets, deadline)
        return Outcome({**seen.state, "sessions": seen.shown["sessions"]})

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

    def _complete(self, observation: Observation) -> bool:
        """Return whether the target is completely in the wanted state."""
        return observation.exists and observation.state["login"] is self.login

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
                raise VerifyFailed(f"{dict(seen.state)}, sessions: {seen.shown.get('sessions')}")
            time.sleep(LOOK_SECONDS)

    def _work(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
        work: Callable[[Connection], Outcome],
    ) -> Outcome:
        """Call `work` with a connection of the operator's login."""
        try:
            target = cluster(targets, step.target.fields["cluster"])
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        dsn = target.operate(clearance)
        portal = targets.portal_system_identifier
        try:
            with session(dsn, portal=portal, deadline=deadline, read_only=False) as connection:
                return work(connection)
        except NotUsable as error:
            raise NotApplied(error.detail) from error


class DisableRole(_Role):
    """Remove a role's right to log in, and end its sessions."""

    spec = DISABLE
    login = False

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        role = step.target.fields["role"]

        def work(connection: Connection) -> Outcome:
            _change(connection, "SELECT hitl_ops.disable(%s)", role)
            return Outcome({"sessions_ended": _end_sessions(connection, role, deadline)})

        return self._work(clearance, step, targets, deadline, work)

    def _complete(self, observation: Observation) -> bool:
        return super()._complete(observation) and observation.shown["sessions"] == 0


class EnableRole(_Role):
    """Give a role the right to log in."""

    spec = ENABLE
    login = True

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        def work(connection: Connection) -> Outcome:
            _change(connection, "SELECT hitl_ops.enable(%s)", step.target.fields["role"])
            return Outcome()

        return self._work(clearance, step, targets, deadline, work)


def _change(connection: Connection, statement: Any, role: str) -> None:
    """Execute one statement in one transaction. Raises NotApplied or OutcomeUnknown."""
    try:
        connection.execute(statement, [role])
    except psycopg.Error as error:
        # After an ERROR the statement is rolled back; after FATAL or no answer that is unknown.
        if error.diag.severity_nonlocalized == "ERROR":
            raise NotApplied(words(error)) from error
        raise OutcomeUnknown(words(error)) from error


def _end_sessions(connection: Connection, role: str, deadline: Deadline) -> int:
    """End the role's sessions and return their number. Raises PartlyApplied."""
    found, quiet = 0, 0
    try:
        while quiet < 2:
            if deadline.passed:
                raise PartlyApplied("new logins are refused, but open sessions did not end")
            row = connection.execute("SELECT hitl_ops.terminate(%s) AS open", [role]).fetchone()
            still_open = row["open"] if row else 0
            found = max(found, still_open)
            quiet = 0 if still_open else quiet + 1
            if quiet < 2:
                time.sleep(LOOK_SECONDS)
    except psycopg.Error as error:
        raise PartlyApplied(f"new logins are refused, but: {words(error)}") from error
    return found


DRIVER = Driver(PROVIDER.name, (DisableRole, EnableRole), read)
