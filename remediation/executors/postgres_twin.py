"""Make a second role with the rights of a first one, and deliver its password to a store.

Two roles have two passwords, so consumers can move while both work; which of them has moved is seen
by the role. The new role signs in once, from this worker: PostgreSQL lets only the role itself (or
an administrator) set its `role`, by which what it makes belongs to the first role.

The way back drops the role: the store returns the version before, the role is turned off, its
sessions end, and it is dropped if it owns nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import psycopg

from remediation.domain.catalogue.postgres_rotation import CREATE_TWIN
from remediation.domain.conditions import Sighting
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.store_place import version_name
from remediation.executors.base import GONE, Deadline, Outcome, Point, Question, Settled, Snapshot
from remediation.executors.delivery import (
    Rotation,
    look_in_store,
    open_place,
    rotate_into,
    settle_staged,
    take_back,
)
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
)
from remediation.executors.postgres import DisableRole
from remediation.executors.postgres_become import become, becomes, role_settings
from remediation.executors.postgres_consumers import look_for
from remediation.executors.postgres_ending import with_oid
from remediation.executors.postgres_operate import primary_of, role_oid
from remediation.executors.postgres_password import Password, refuse_older
from remediation.executors.postgres_proof import (
    PASSWORD,
    Work,
    found_made,
    made_of,
    not_promoted,
    or_kept,
    passwords_of,
    proves,
    with_since,
)
from remediation.executors.postgres_role import LOCK_SECONDS, PATIENCE_SECONDS, RoleAction
from remediation.executors.postgres_scram import make_verifier
from remediation.executors.postgres_session import Connection, NotUsable, change, words
from remediation.executors.postgres_ticket import call, open_ticket
from remediation.executors.secret import SecretValue, closed, make_password
from remediation.executors.targets import Targets

_CREATE = "SELECT hitl_ops.create_twin(%s, %s, {oid}::oid, %s, '{version}')"
_DROP = "SELECT hitl_ops.drop_twin(%s, {oid}::oid)"
_OID = "SELECT oid::bigint AS oid FROM pg_roles WHERE rolname = %s"


class CreateTwin(RoleAction):
    """Make a role beside another one."""

    spec = CREATE_TWIN

    # --- Reading -------------------------------------------------------------------------------

    def observe(self, step: Step, targets: Targets) -> Observation:
        seen = super().observe(step, targets)
        # What was turned off under this name earlier is no role of this name.
        return seen if seen.exists else GONE

    def _beside(self, step: Step, targets: Targets, found: Mapping[str, Any]) -> dict[str, Any]:
        held = look_in_store(targets, step.target, step.parameters["store"])
        primary = passwords_of(step, targets, found["oid"])[step.target.fields["cluster"]]
        assert isinstance(primary, Password)
        owns_as = becomes(step, targets, found["oid"])
        first, *rest = with_since(list(found["servers"]), primary)
        assert isinstance(first, dict)
        return {
            "like": primary.first,
            "password_id": primary.id,
            "password_version": primary.version,
            "store_version": held.promoted,
            "servers": [{**first, "becomes": owns_as}, *rest],
        }

    def precheck(self, step: Step, observation: Observation) -> None:
        if observation.exists:
            raise NotApplied(f"there is a role {step.target.locator} already")

    def settled(self, observation: Observation) -> Settled | None:
        """A role that the portal did not make says nothing about this call."""
        if not observation.exists:
            return Settled.NOT_APPLIED
        made = observation.state["like"] and observation.state["password_version"]
        return Settled.APPLIED if made else None

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        if observation.exists and observation.state["like"] != step.parameters["like"]:
            return None
        return self.settled(observation)

    def found_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        return found_made(observation)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        return (Point(step.target.locator, None if not observation.exists else False),)

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        if self.settled(observation) is not Settled.APPLIED:
            return ()
        left = [*not_promoted(step, observation)]
        servers = observation.shown["servers"]
        assert isinstance(servers, list) and isinstance(servers[0], dict)
        if not servers[0]["becomes"]:
            left.append("what the role makes would belong to it, not to the first role")
        return tuple(left)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        version = version_name(clearance.proposal_id, step.index)
        seen = self._read_until(
            lambda o: (
                o.exists
                and o.state["like"] == step.parameters["like"]
                and o.state["password_version"] == o.state["store_version"] == version
                and o.state["login"] is True
                and not self.left_open(step, o)
            ),
            step,
            targets,
            deadline,
        )
        return Outcome(self.seen(seen))

    def _state_in_words(self, seen: Observation) -> str:
        return "the role is not as it was planned" if seen.exists else "there is no such role"

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        return look_for(question, step, targets, twin=True)

    # --- Changing ------------------------------------------------------------------------------

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return closed(
            lambda: self._apply(clearance, step, targets, deadline, settle=False),
            refusal=OutcomeUnknown,
        )

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Promote what a crash left staged, if the role takes it."""
        return closed(
            lambda: self._apply(clearance, step, targets, deadline, settle=True),
            refusal=OutcomeUnknown,
        )

    def _apply(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
        *,
        settle: bool,
    ) -> Outcome:
        with ExitStack() as stack:
            place = open_place(clearance, step, targets, deadline)
            primary = primary_of(stack, clearance, step, targets, deadline)
            try:
                refuse_older(primary)
            except NotUsable as error:
                raise NotApplied(error.detail) from None
            first = role_oid(primary, str(step.parameters["like"]))
            work = Work(clearance, step, targets, deadline, stack, primary, place, oid=0)
            rotation = Rotation(
                make=lambda: SecretValue({"username": work.role, PASSWORD: make_password()}),
                set_at_target=lambda value: self._make(work, first, value),
                proves=lambda value: self._proves(work, first, value),
                patience_s=PATIENCE_SECONDS,
            )
            kept = replace(rotation, proves=lambda value: or_kept(work, rotation.proves(value)))
            outcome = settle_staged(place, kept) if settle else rotate_into(place, rotation)
            return Outcome(
                {**outcome.detail, "like": step.parameters["like"]},
                made={**outcome.made, **made_of(work)},
            )

    def _make(self, work: Work, first: int, value: SecretValue) -> None:
        """Make the role, unless a call before a crash did, and let it become the first one."""
        made = _oid_of(work.primary, work.role)
        if made is None:
            verifier = make_verifier(value.reveal(PASSWORD))
            open_ticket(
                work.clearance, work.step, work.targets, work.deadline,
                action="create_twin", oid=first, verifier=verifier,
            )  # fmt: skip
            statement = with_oid(_CREATE, first).replace("{version}", work.place.version)
            parameters: list[object] = [work.role, work.step.parameters["like"], verifier]
            call(work.primary, statement, parameters, wait=LOCK_SECONDS)
            made = role_oid(work.primary, work.role)
        elif not _is_ours(work, made):
            raise NotApplied(f"there is a role {work.step.target.locator} already")
        work.oid = made
        try:
            become(work, first, value)
        except NotApplied as refusal:
            _drop(work.primary, work.role, made, work.deadline)
            raise NotApplied(
                f"the new role could not sign in from the worker, and was dropped again:"
                f" {refusal.detail}"
            ) from None

    def _proves(self, work: Work, first: int, value: SecretValue) -> bool | None:
        made = _oid_of(work.primary, work.role)
        if made is None or not _is_ours(work, made):
            return False
        work.oid = made
        answer = proves(work, value)
        return answer and bool(role_settings(work.primary, made).get(""))

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        """Drop the role. It takes access away only, so it needs no ticket."""
        place = open_place(clearance, step, targets, deadline)
        try:
            with ExitStack() as stack:
                primary = primary_of(stack, clearance, step, targets, deadline)
                made = _oid_of(primary, step.target.fields["role"])
                if made is None:
                    return Outcome()
                taken = _taken_back(place)
                disable = DisableRole()
                disable.expected = {"oid": made}
                disable.apply(clearance, _as_disable(step), targets, deadline)
                change(
                    primary, with_oid(_DROP, made), step.target.fields["role"], wait=deadline.left
                )
        except StepFailed as error:
            raise RollbackFailed(error.detail) from error
        if self.observe(step, targets).exists:
            raise RollbackFailed("the role is still there")
        return Outcome(taken)


def _as_disable(step: Step) -> Step:
    return replace(step, action=DisableRole.spec.kind, executor=DisableRole.spec.version)


def _taken_back(place: Any) -> dict[str, Any]:
    """Let consumers read the version before again, where there is one."""
    try:
        return dict(take_back(place).detail)
    except NotApplied as error:
        return {"store": f"not taken back: {error.detail}"}


def _oid_of(connection: Connection, role: str) -> int | None:
    try:
        row = connection.execute(_OID, [role]).fetchone()
    except psycopg.Error as error:
        raise OutcomeUnknown(words(error)) from None
    return int(row["oid"]) if row else None


def _is_ours(work: Work, oid: int) -> bool:
    """Return whether this step made the role."""
    found = passwords_of(work.step, work.targets, oid)[work.name]
    return isinstance(found, Password) and found.version == work.place.version


def _drop(primary: Connection, role: str, oid: int, deadline: Deadline) -> None:
    """Drop a role that this call made and that nobody has used. Raises PartlyApplied."""
    try:
        for statement in ("SELECT hitl_ops.disable(%s, {oid}::oid)", _DROP):
            change(primary, with_oid(statement, oid), role, wait=deadline.left)
    except StepFailed as error:
        raise PartlyApplied(f"the new role was made, and not dropped: {error.detail}") from None
