"""Look at a role of OpenBao's database engine with its leases; revoke a lease that nobody uses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.openbao_credential import REVOKE_CREDENTIAL
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.waits import is_reference
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Point, Snapshot
from remediation.executors.credentials import for_observing, refuse_without_clearance
from remediation.executors.delivery import look_in_store
from remediation.executors.errors import NotApplied, RollbackFailed, VerifyFailed
from remediation.executors.openbao_leases import REVOKE_PATH, lease_of, leases_of, revoke
from remediation.executors.openbao_role import texts
from remediation.executors.openbao_server import Api, Database, observing, refusing, server
from remediation.executors.openbao_sessions import candidates, opened, roles_of, sessions_of
from remediation.executors.openbao_tokens import iso, moment
from remediation.executors.postgres_session import NotUsable
from remediation.executors.targets import Targets

# More leases than people can decide about: the role is not observable, and says so.
MOST_LEASES = 200
PAUSE_SECONDS = 0.3
SCRAM = "scram-sha-256"


def look_at(step: Step, targets: Targets) -> Observation:
    """Read the role and its leases, and the place that the step delivers to, if it delivers.

    Raises TargetUnobservable.
    """
    fields = step.target.fields
    at = server(targets, fields["server"])
    with observing(step.target.locator), at.observing() as api:
        role = api.get(f"{fields['mount']}/roles/{fields['role']}")
        if role is None or not isinstance(role.get("db_name"), str):
            return GONE
        leases = leases_of(api, fields["mount"], fields["role"])
        if len(leases) > MOST_LEASES:
            raise TargetUnobservable(
                f"the role has {len(leases)} leases; at most {MOST_LEASES} can be shown"
            )
        credentials = [_times(api, lease) for lease in leases]
        connection = api.get(f"{fields['mount']}/config/{role['db_name']}") or {}
    state: dict[str, Json] = {
        "leases": list[Json](leases),
        "statements": [str(one) for one in role.get("creation_statements") or ()],
    }
    shown: dict[str, Json] = {
        "credentials": list[Json](credentials),
        "life": _life(role),
        "database": f"{fields['mount']}/{role['db_name']}",
        "database_login": f"{fields['mount']}/{role['db_name']}" in at.databases,
        "token_role": at.token_roles.get(f"{fields['mount']}/{fields['role']}", ""),
        "password_authentication": _sent(connection),
        "staged": None,
    }
    if step.spec.delivers:
        state["stored"] = ""  # who only looks at the role names no place
    place = step.parameters.get(step.spec.delivers)
    if place is not None:
        held = look_in_store(targets, step.target, place)
        state["stored"] = held.promoted
        shown["staged"] = held.staged.to_json() if held.staged else None
    return Observation(True, state, shown, simulated=False)


def _times(api: Api, lease: str) -> dict[str, Json]:
    found = lease_of(api, lease) or {}
    times = {"issued": found.get("issue_time"), "expires": found.get("expire_time")}
    return {"lease": lease, **{k: iso(moment(str(at))) if at else None for k, at in times.items()}}


def _life(role: Mapping[str, Any]) -> str:
    """Return how long a credential of the role lives, in words."""
    default, longest = role.get("default_ttl"), role.get("max_ttl")
    first = f"{default} s" if default else "the server's default"
    return f"{first}, renewed at most {longest} s" if longest else f"{first}, no limit of its own"


def _sent(connection: Mapping[str, Any]) -> str:
    details = connection.get("connection_details")
    found = details.get("password_authentication") if isinstance(details, dict) else None
    return str(found or "password")


def refuse_unready(step: Step, observation: Observation) -> None:
    """Refuse where a credential could not be made, proved or kept secret. Raises NotApplied."""
    shown, fields = observation.shown, step.target.fields
    if shown["database_login"] is not True:
        raise NotApplied(
            f"this worker has no login for database {shown['database']}: it could not see that a"
            " new credential signs in"
        )
    if not shown["token_role"]:
        raise NotApplied(
            f"this worker has no token role for {fields['mount']}/{fields['role']}: a lease ends"
            " with the token that made it, so the worker's own token makes none"
        )
    if shown["password_authentication"] != SCRAM:
        raise NotApplied(
            f"OpenBao sends the password itself to database {shown['database']}, whose log may keep"
            f" it: set password_authentication to {SCRAM} in the connection"
        )


def database_of(step: Step, targets: Targets) -> tuple[Mapping[str, Any], Database]:
    """Return the role and the database that its credentials are for. Raises NotApplied."""
    fields = step.target.fields
    with refusing():
        at = server(targets, fields["server"])
        with observing(step.target.locator), at.observing() as api:
            role = api.get(f"{fields['mount']}/roles/{fields['role']}")
    if role is None:
        raise NotApplied(f"{step.target.locator}: there is no such role")
    name = f"{fields['mount']}/{role.get('db_name')}"
    database = at.databases.get(name)
    if database is None:
        raise NotApplied(f"this worker has no login for database {name}")
    return role, database


class OfDatabaseRole(Executor):
    """The common parts of making and revoking a credential."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return look_at(step, targets)

    def look(self, step: Step, targets: Targets) -> Observation:
        """Look before a change. Raises NotApplied."""
        try:
            found = look_at(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        if not found.exists:
            raise NotApplied(f"{step.target.locator}: there is no such role")
        return found

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"OpenBao {step.target.fields['server']}"
        if not observation.exists:
            return (Point(place, None),)
        return (Point(place, not observation.state["leases"]),)

    def seen(self, observation: Observation) -> dict[str, Json]:
        return {**observation.state, "credentials": observation.shown["credentials"]}


class RevokeCredential(OfDatabaseRole):
    """Revoke a lease whose database user has no session."""

    spec = REVOKE_CREDENTIAL

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        lease = step.parameters["lease"]
        if is_reference(lease):  # it is made by an earlier step of the plan
            return
        if lease not in texts(observation.state["leases"]):
            raise NotApplied("the role has no such lease")
        if observation.shown["database_login"] is not True:
            raise NotApplied("this worker cannot look whether its database user has a session")

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        found, lease = self.look(step, targets), str(step.parameters["lease"])
        if lease not in texts(found.state["leases"]):
            return Outcome({"lease": lease, "changed": False})
        _refuse_used(step, targets, found, lease, deadline)
        api = server(targets, step.target.fields["server"]).operator(clearance)
        api.require_rights([REVOKE_PATH])
        revoke(api, lease, deadline)
        return Outcome({"lease": lease})

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        while True:
            try:
                found = self.look(step, targets)
            except NotApplied as error:
                raise VerifyFailed(error.detail) from error
            if step.parameters["lease"] not in texts(found.state["leases"]):
                return Outcome(self.seen(found), found)
            if deadline.left < PAUSE_SECONDS:
                raise VerifyFailed("the lease is still there")
            time.sleep(PAUSE_SECONDS)

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
        if dict(found.state) == {name: snapshot.get(name) for name in found.state}:
            return Outcome({"changed": False})
        raise RollbackFailed("a revoked lease has no way back; make a new credential")


def _refuse_used(
    step: Step, targets: Targets, found: Observation, lease: str, deadline: Deadline
) -> None:
    """Refuse a lease whose database user may have a session. Raises NotApplied."""
    _, database = database_of(step, targets)
    issued = next(
        (
            moment(str(one["issued"]))
            for one in found.shown["credentials"]  # type: ignore[union-attr]
            if isinstance(one, dict) and one["lease"] == lease and one["issued"]
        ),
        None,
    )
    try:
        with opened(for_observing(database.observe_dsn), targets, deadline, read_only=True) as at:
            users = candidates(roles_of(at), step.target.fields["role"], issued)
            used = [one.name for one in sessions_of(at) if one.oid in users]
    except (TargetUnobservable, NotUsable) as error:
        raise NotApplied(f"database {found.shown['database']}: {error.detail}") from error
    if used or not users:
        who = ", ".join(sorted(set(used))) or "a user that its name does not show"
        raise NotApplied(
            f"{who} may be the lease's and may have a session: propose openbao.lease.revoke"
        )
