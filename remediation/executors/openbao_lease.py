"""Revoke a lease of a dynamic database credential, and end the sessions that it leaves alive.

Revoking drops the database role; PostgreSQL keeps the sessions of a dropped role. OpenBao does not
show which database role belongs to a lease. Before the revocation the role's name shows it,
which ends in the second of the lease's issue; afterwards the role that is gone.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao_lease import REVOKE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.credentials import for_observing, for_operating, refuse_without_clearance
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.openbao_leases import REVOKE_PATH, lease_of, revoke
from remediation.executors.openbao_server import (
    Database,
    observing,
    refusing,
    server,
)
from remediation.executors.openbao_sessions import (
    candidates,
    opened,
    owned,
    roles_of,
    sessions_of,
    terminate,
)
from remediation.executors.openbao_tokens import iso, moment
from remediation.executors.postgres_session import NotUsable
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.3
DATABASE_SECONDS = 8.0


@dataclass(frozen=True)
class _Seen:
    """What was seen of a lease; `issued` is None if there is no such lease."""

    connection: str | None  # of the role that issued it; None if there is no such role
    issued: datetime | None = None
    expires: str = ""
    database: Database | None = None


class RevokeLease(Executor):
    """Revoke a lease at once, and say or end the sessions that it leaves alive."""

    spec = REVOKE

    def observe(self, step: Step, targets: Targets) -> Observation:
        seen = _look(step, targets)
        if seen.connection is None:
            return GONE
        shown: dict[str, Json] = {
            "issued": iso(seen.issued) if seen.issued else None,
            "expires": seen.expires or None,
            "database": seen.connection,
            **_in_database(step, targets, seen),
        }
        return Observation(True, {"live": seen.issued is not None}, shown, simulated=False)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["live"] is not True:
            raise NotApplied("there is no such lease: it was revoked or has ended, or never was")
        if step.parameters["end_sessions"] is True and observation.shown["sessions"] is None:
            raise NotApplied(
                "sessions are to be ended, and this worker cannot look into the database"
            )

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"OpenBao {step.target.fields['server']}"
        if not observation.exists:
            return (Point(place, None),)
        shown, revoked = observation.shown, observation.state["live"] is False
        sessions = [*_texts(shown["sessions"]), *_texts(shown["orphan_sessions"])]
        asked = step.parameters.get("end_sessions") is True
        database = Point(
            f"database {shown['database']}",
            None if shown["sessions"] is None else revoked and not sessions,
            tuple(f"session {one}" for one in sessions) if asked and revoked else (),
        )
        return (Point(place, revoked), database)

    def seen(self, observation: Observation) -> dict[str, Json]:
        return {**observation.state, "orphan_sessions": observation.shown["orphan_sessions"]}

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        with refusing():
            seen = _look(step, targets)
        if seen.connection is None:
            raise NotApplied(f"{step.target.locator}: there is no such database role at OpenBao")
        asked = step.parameters["end_sessions"] is True
        if asked and seen.database is None:
            raise NotApplied(f"this worker has no login for database {seen.connection}")
        api = server(targets, step.target.fields["server"]).operator(clearance)
        api.require_rights([REVOKE_PATH])
        if seen.database is not None and asked:
            for_operating(clearance, seen.database.operate_dsn)  # or nothing is done
        before = _role_names(targets, seen, deadline)
        if seen.issued is None:
            return Outcome({"revoked": False})
        revoke(api, step.target.fields["lease"], deadline)
        detail: dict[str, Json] = {"revoked": True}
        if seen.database is not None:
            try:
                after = _role_names(targets, seen, deadline)
            except NotApplied as error:  # the lease is gone: reading shows it, tightening goes on
                raise OutcomeUnknown(f"the lease is revoked; {error.detail}") from error
            gone = {oid: name for oid, name in before.items() if oid not in after}
            detail["dropped_roles"] = list[Json](sorted(gone.values()))
            if asked:
                ended = _end_sessions(clearance, targets, seen, set(gone), deadline)
                detail["sessions_ended"] = list[Json](ended)
        return Outcome(detail)

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End sessions of dropped roles, where the step asks for it and the lease is gone."""
        with refusing():
            seen = _look(step, targets)
        if step.parameters["end_sessions"] is not True or seen.issued is not None:
            return Outcome()
        if seen.database is None:
            return Outcome()
        ended = _end_sessions(clearance, targets, seen, None, deadline)
        return Outcome({"sessions_ended": list[Json](ended)})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            why = self._why_not(step, found)
            if not why:
                return Outcome(self.seen(found), found)
            if deadline.left < PAUSE_SECONDS:
                raise VerifyFailed(why)
            time.sleep(PAUSE_SECONDS)

    def _why_not(self, step: Step, found: Observation) -> str:
        if not found.exists:
            return "there is no such database role at OpenBao"
        if found.state["live"] is not False:
            return "the lease is still there"
        return "; ".join(self.left_open(step, found))[:300]

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        found = self.observe(step, targets)
        if found.exists and found.state["live"] == snapshot.get("live"):
            return Outcome({"changed": False})
        raise RollbackFailed("a revoked lease has no way back; ask OpenBao for a new one")


def _look(step: Step, targets: Targets) -> _Seen:
    """Read the lease and the role that issued it. Raises TargetUnobservable."""
    fields = step.target.fields
    at = server(targets, fields["server"])
    mount, _, rest = fields["lease"].rpartition("/creds/")
    with observing(step.target.locator), at.observing() as api:
        role = api.get(f"{mount}/roles/{rest.partition('/')[0]}")
        if role is None or not isinstance(role.get("db_name"), str):
            return _Seen(None)
        connection = f"{mount}/{role['db_name']}"
        found = lease_of(api, fields["lease"])
    database = at.databases.get(connection)
    if found is None:
        return _Seen(connection, database=database)
    expires = found.get("expire_time")
    return _Seen(
        connection,
        moment(str(found["issue_time"])),
        iso(moment(str(expires))) if expires else "",
        database,
    )


def _in_database(step: Step, targets: Targets, seen: _Seen) -> dict[str, Json]:
    """Return what the database shows of the lease's role; null for what was not looked at."""
    nothing: dict[str, Json] = dict.fromkeys(
        ("database_role", "sessions", "orphan_sessions", "owned_objects")
    )
    if seen.database is None:
        return nothing
    deadline = Deadline.within(DATABASE_SECONDS)
    try:
        dsn = for_observing(seen.database.observe_dsn)
        with opened(dsn, targets, deadline, read_only=True) as connection:
            roles = roles_of(connection)
            sessions = sessions_of(connection)
            own = candidates(roles, step.target.fields["lease"].split("/")[-2], seen.issued)
            objects = sum(owned(connection, oid) for oid in own)
    except (TargetUnobservable, NotUsable) as error:
        raise TargetUnobservable(f"database {seen.connection}: {error.detail}") from error
    return {
        "database_role": list[Json](own.values()),
        "sessions": [one.text for one in sessions if one.oid in own],
        "orphan_sessions": [one.text for one in sessions if one.oid not in roles],
        "owned_objects": objects,
    }


def _role_names(targets: Targets, seen: _Seen, deadline: Deadline) -> dict[str, str]:
    """Return the database's roles by oid; none if this worker cannot look there."""
    if seen.database is None:
        return {}
    try:
        dsn = for_observing(seen.database.observe_dsn)
        with opened(dsn, targets, deadline, read_only=True) as connection:
            return roles_of(connection)
    except (TargetUnobservable, NotUsable) as error:
        raise NotApplied(f"database {seen.connection}: {error.detail}") from error


def _end_sessions(
    clearance: Clearance,
    targets: Targets,
    seen: _Seen,
    oids: set[str] | None,
    deadline: Deadline,
) -> list[str]:
    """End sessions of these roles; None: of all roles that are gone. Raises OutcomeUnknown."""
    assert seen.database is not None
    dsn = for_operating(clearance, seen.database.operate_dsn)
    try:
        with opened(dsn, targets, deadline, read_only=False) as connection:
            return terminate(connection, oids)
    except NotUsable as error:
        raise OutcomeUnknown(f"sessions: database {seen.connection}: {error.detail}") from error


def _texts(value: Json) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []
