"""Make a database credential with OpenBao and deliver it; revoke one that nobody uses.

OpenBao makes the password and tells it once. So the credential is staged in the store at once, is
signed in with, and is then promoted (delivery.py). A call that makes one is never repeated: what it
did is read from the leases of the role. A lease that appeared and that nobody delivered is named;
a plan of its own revokes it (openbao.lease.revoke), because services may take leases themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from remediation.domain.catalogue.openbao_credential import NEW_CREDENTIAL
from remediation.domain.conditions import Sighting
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.store_place import is_version_name, version_name
from remediation.executors.base import Deadline, Outcome, Question, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.delivery import (
    open_place,
    rotate_into,
    settle_staged,
    take_back,
)
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.openbao_credential_calls import REVOKE_TOKEN, CredentialCalls
from remediation.executors.openbao_credential_use import look_for, user_sessions
from remediation.executors.openbao_database_role import (
    OfDatabaseRole,
    database_of,
    refuse_unready,
)
from remediation.executors.openbao_leases import REVOKE_PATH, revoke
from remediation.executors.openbao_role import texts
from remediation.executors.openbao_server import server
from remediation.executors.stores.store import OpenPlace
from remediation.executors.targets import Targets


class NewCredential(OfDatabaseRole):
    """Make one more credential, and deliver it."""

    spec = NEW_CREDENTIAL

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        refuse_unready(step, observation)
        staged = observation.shown["staged"]
        if isinstance(staged, dict):
            raise NotApplied(
                f"a version is staged at {step.parameters['store']}, by"
                f" {staged['made_by'] or 'somebody else'}: a person promotes or discards it first"
            )

    def found_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        """Return None: OpenBao does not show whose a lease is. `tighten` reads the store's."""
        return None

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Return that a credential is staged: consumers read it once it was signed in with."""
        staged = observation.shown.get("staged")
        version = str(staged["version"]) if isinstance(staged, dict) else ""
        if not is_version_name(version):
            return ()
        return (f"version {version} is staged, and consumers do not read it yet",)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        place = open_place(clearance, step, targets, deadline)
        found = self.look(step, targets)
        refuse_unready(step, found)
        calls = self._calls(clearance, step, targets, place)
        fields = step.target.fields
        role = calls.at.token_roles[f"{fields['mount']}/{fields['role']}"]
        calls.api.require_rights([f"auth/token/create/{role}", REVOKE_PATH, REVOKE_TOKEN])
        _refuse_away(calls)
        try:
            return calls.outcome(rotate_into(place, calls.rotation))
        except StepFailed as error:
            if not calls.made:
                raise
            # The call that made it was answered, so the outcome is known, and not undone.
            raise PartlyApplied(
                f"lease {calls.made['lease']} was made, and consumers do not read it yet:"
                f" {error.detail}",
                made=dict(calls.made),
            ) from None

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Try the staged credential again, and promote it if it signs in; makes none."""
        place = open_place(clearance, step, targets, deadline)
        calls = self._calls(clearance, step, targets, place)
        return calls.outcome(settle_staged(place, calls.rotation))

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        try:
            found = self.observe(step, targets)
        except TargetUnobservable as error:
            raise VerifyFailed(error.detail) from error
        if not found.exists:
            raise VerifyFailed("there is no such database role at OpenBao")
        version, stored = version_name(clearance.proposal_id, step.index), found.state["stored"]
        if stored != version:
            raise VerifyFailed(f"the store's plain reads return {stored or 'nothing'}")
        lease = self.made.get("lease")
        if lease is not None and lease not in texts(found.state["leases"]):
            raise VerifyFailed(f"lease {lease} is not there: it was revoked, or has ended")
        return Outcome(self.seen(found), found)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Let consumers read the earlier version again, then revoke the lease that was made."""
        refuse_without_clearance(clearance)
        try:
            found = self.look(step, targets)
            place = open_place(clearance, step, targets, deadline)
            calls = self._calls(clearance, step, targets, place)
            made = dict(self.made) or _delivered(place)
            if not made:
                return _nothing_to_revoke(found, snapshot)
            self._refuse_used(calls, made["username"])
            detail = take_back(place).detail
            revoke(calls.api, made["lease"], deadline)
            left = texts(self.look(step, targets).state["leases"])
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(str(error)) from error
        if made["lease"] in left:
            raise RollbackFailed("the new lease is still there")
        return Outcome({**detail, "revoked": made["lease"]})

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        return look_for(question, step, targets)

    def _calls(
        self, clearance: Clearance, step: Step, targets: Targets, place: OpenPlace
    ) -> CredentialCalls:
        """Return the calls of a delivery. Raises NotApplied."""
        at = server(targets, step.target.fields["server"])
        role, database = database_of(step, targets)
        return CredentialCalls(
            api=at.operator(clearance),
            at=at,
            database=database,
            step=step,
            targets=targets,
            version=place.version,
            longest=_seconds(role.get("max_ttl")),
            deadline=place.deadline,
            before=frozenset(texts(self.expected["leases"])) if self.expected else None,
        )

    def _refuse_used(self, calls: CredentialCalls, user: str) -> None:
        """Refuse to revoke what consumers have moved to."""
        sessions = user_sessions(calls.database, calls.targets, calls.deadline).by_user.get(user)
        if sessions:
            raise NotApplied(
                f"{user} has {len(sessions)} sessions: consumers use it, and a revoked lease cannot"
                " come back"
            )


def _refuse_away(calls: CredentialCalls) -> None:
    """Refuse to make what could not be signed in with: the database is asked first."""
    try:
        user_sessions(calls.database, calls.targets, calls.deadline)
    except TargetUnobservable as error:
        raise NotApplied(f"the database cannot be asked: {error.detail}") from error


def _delivered(place: OpenPlace) -> dict[str, str]:
    """Return what this step's version in the store is of; nothing if there is none."""
    value = place.read()
    if value is None or not {"lease_id", "username"} <= set(value.names):
        return {}
    return {"lease": value.reveal("lease_id"), "username": value.reveal("username")}


def _nothing_to_revoke(found: Observation, snapshot: Snapshot) -> Outcome:
    new = set(texts(found.state["leases"])) - set(texts(snapshot["leases"]))
    if new:
        raise NotApplied(
            f"it is not known whether this step made lease {', '.join(sorted(new))}: find out whose"
            " it is, and propose openbao.lease.revoke"
        )
    return Outcome({"changed": False})


def _seconds(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
