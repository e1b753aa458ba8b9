"""Give a role a new password, deliver it to a store, and see that the old one is refused.

The password is made here, and never leaves this process but for the store: the target gets a
SCRAM-SHA-256 verifier, and is asked by a challenge whether it takes the password
(postgres_live.py).
A role has one password: from the change until a consumer has read the store, its sign-ins fail.

Order: staged in the store → verifier set at the primary, with a ticket → in force at the primary
and each standby, the old one refused there and at each pooler of the targets file → promoted →
sessions that began before end, if the plan says so. delivery.py says what a crash leaves. After a
crash past the change `left_open` shows the staged version, and `tighten` promotes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue.postgres_rotation import ROTATE
from remediation.domain.conditions import Sighting
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.store_place import version_name
from remediation.executors.base import Deadline, Outcome, Point, Question, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.delivery import (
    Rotation,
    look_in_store,
    open_place,
    rotate_into,
    settle_staged,
)
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed
from remediation.executors.postgres_consumers import look_for
from remediation.executors.postgres_ending import EndingOld, ending_meanwhile, with_oid
from remediation.executors.postgres_operate import in_the_way, primary_of
from remediation.executors.postgres_password import Password, add_to_servers, refuse_older
from remediation.executors.postgres_proof import (
    PASSWORD,
    Work,
    found_made,
    made_of,
    not_promoted,
    old_value,
    or_kept,
    passwords_of,
    poolers_not_seen,
    proves,
    require_provable,
    why_not_proved,
    with_since,
)
from remediation.executors.postgres_role import (
    LOCK_SECONDS,
    NAMING_SECONDS,
    PATIENCE_SECONDS,
    RoleAction,
    add_standbys,
)
from remediation.executors.postgres_scram import make_verifier
from remediation.executors.postgres_session import NotUsable
from remediation.executors.postgres_ticket import call, open_ticket
from remediation.executors.postgres_traces import session_traces
from remediation.executors.secret import SecretValue, closed, make_password
from remediation.executors.targets import Targets

_SET = "SELECT hitl_ops.set_verifier(%s, {oid}::oid, %s, '{version}')"


class RotatePassword(RoleAction):
    """Replace a role's password, and deliver the new one."""

    spec = ROTATE

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return session_traces(step, targets) if step.parameters["end_sessions"] is True else {}

    # --- Reading -------------------------------------------------------------------------------

    def _beside(self, step: Step, targets: Targets, found: Mapping[str, Any]) -> dict[str, Any]:
        held = look_in_store(targets, step.target, step.parameters["store"])
        passwords = passwords_of(step, targets, found["oid"])
        primary = passwords[step.target.fields["cluster"]]
        assert isinstance(primary, Password)
        return {
            "password_id": primary.id,
            "password_version": primary.version,
            "store_version": held.promoted,
            "store_staged": held.staged.version if held.staged is not None else "",
            "servers": with_since(
                add_to_servers(found["servers"], passwords, primary.set_at), primary
            ),
        }

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if not observation.state["password_id"]:
            raise NotApplied(
                "the functions on the target may not read verifiers, so that nobody could see which"
                " password is in force: a superuser has to install hitl_ops.sql"
            )
        staged = observation.state["store_staged"]
        if staged:
            raise NotApplied(
                f"version {staged} waits at {step.parameters['store']}: a person promotes or"
                " discards it first"
            )

    def settled(self, observation: Observation) -> Settled | None:
        """Compare with the state before, where the caller has it; a version that the portal set
        earlier says nothing about this call."""
        if not observation.exists:
            return None
        version = observation.state["password_version"]
        if self.expected is None:
            return None if version else Settled.NOT_APPLIED
        if observation.state["password_id"] == self.expected["password_id"]:
            return Settled.NOT_APPLIED
        return Settled.APPLIED if version else None

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Believe the target; what the store lacks is left open."""
        if not observation.exists:
            return None
        state = observation.state
        if state["password_id"] == before["password_id"]:
            return Settled.NOT_APPLIED
        version = made.get("version", state["password_version"])
        ours = version and version == state["password_version"] != before["password_version"]
        return Settled.APPLIED if ours else None

    def found_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        return found_made(observation)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        """Return one point per server; without access: it holds the portal's password, and no
        session of an earlier one is left."""
        servers = observation.shown.get("servers")
        if not isinstance(servers, list) or not servers:
            return (Point(step.target.locator, None),)
        return tuple(self._point(step, observation, each) for each in servers)

    def _point(self, step: Step, observation: Observation, server: Any) -> Point:
        place, held = f"server {server['server']}", server.get("password_id")
        if held is None:
            why = server["why"] or "it was not asked for the password"
            unseen = (f"{place}: not looked at: {why}",) if server["named"] else ()
            return Point(place, None, unseen)
        version, wanted = observation.state["password_version"], observation.state["password_id"]
        if not version:
            return Point(place, False)
        opened: tuple[str, ...] = (
            () if held == wanted else (f"{place}: it still takes the earlier password",)
        )
        old = [f"{place}: session, pid {pid}, of an earlier password" for pid in
               server["old_sessions"]]  # fmt: skip
        if step.parameters["end_sessions"] is True:
            opened += tuple(old)
        return Point(place, held == wanted and not old, opened)

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Return what is not done although the password was changed."""
        if not observation.exists or not observation.state["password_version"]:
            return ()
        missing = not_promoted(step, observation)
        unseen = poolers_not_seen(observation) if missing else ()
        return (*super().left_open(step, observation), *missing, *unseen)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        version = version_name(clearance.proposal_id, step.index)
        seen = self._read_until(
            lambda o: (
                o.exists
                and o.state["password_version"] == o.state["store_version"] == version
                and not self.left_open(step, o)
            ),
            step,
            targets,
            deadline,
        )
        return Outcome(self.seen(seen))

    def _state_in_words(self, seen: Observation) -> str:
        return f"the version in force is {seen.state.get('password_version') or 'of somebody else'}"

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        return look_for(question, step, targets, twin=False)

    # --- Changing ------------------------------------------------------------------------------

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return closed(
            lambda: self._apply(clearance, step, targets, deadline), refusal=OutcomeUnknown
        )

    def _apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with ExitStack() as stack:
            work = self._work(stack, clearance, step, targets, deadline)
            outcome = rotate_into(work.place, self._rotation(work))
            return self._finish(work, outcome)

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Promote what a crash left staged, and end the sessions of the earlier password again."""
        return closed(
            lambda: self._tighten(clearance, step, targets, deadline), refusal=OutcomeUnknown
        )

    def _tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with ExitStack() as stack:
            work = self._work(stack, clearance, step, targets, deadline)
            rotation = self._rotation(work)
            kept = replace(rotation, proves=lambda value: or_kept(work, rotation.proves(value)))
            outcome = settle_staged(work.place, kept)
            return self._finish(work, outcome)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        raise RollbackFailed("an earlier password is not given back")

    def _work(
        self,
        stack: ExitStack,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        deadline: Deadline,
    ) -> Work:
        place = open_place(clearance, step, targets, deadline)
        primary = primary_of(stack, clearance, step, targets, deadline)
        try:
            refuse_older(primary)
        except NotUsable as error:
            raise NotApplied(error.detail) from None
        oid = self._oid(primary, step)
        work = Work(clearance, step, targets, deadline, stack, primary, place, oid, replaces=True)
        work.old = old_value(work)
        return work

    def _rotation(self, work: Work) -> Rotation:
        return Rotation(
            make=lambda: SecretValue({"username": work.role, PASSWORD: make_password()}),
            set_at_target=lambda value: self._set(work, value),
            proves=lambda value: proves(work, value),
            why=lambda: why_not_proved(work),
            patience_s=PATIENCE_SECONDS,
        )

    def _set(self, work: Work, value: SecretValue) -> None:
        if not work.taken:
            require_provable(work)
        verifier = make_verifier(value.reveal(PASSWORD))
        open_ticket(
            work.clearance, work.step, work.targets, work.deadline,
            action="set_verifier", oid=work.oid, verifier=verifier,
        )  # fmt: skip
        statement = with_oid(_SET, work.oid).replace("{version}", work.place.version)
        work.changed_at = datetime.now(UTC)
        try:
            call(work.primary, statement, [work.role, verifier], wait=LOCK_SECONDS)
        except NotApplied as refusal:
            if not in_the_way(refusal) or work.step.parameters["end_sessions"] is not True:
                raise
            # A session of the role can hold its row, as for NOLOGIN.
            second = primary_of(work.stack, work.clearance, work.step, work.targets, work.deadline)
            pid = work.primary.info.backend_pid
            with ending_meanwhile(second, work.role, work.oid, pid):
                left = work.deadline.left - NAMING_SECONDS
                call(work.primary, statement, [work.role, verifier], wait=left)

    def _finish(self, work: Work, outcome: Outcome) -> Outcome:
        assert work.proved_at is not None
        detail: dict[str, Json] = {
            **outcome.detail,
            "changed_at": instant.dump(work.changed_at) if work.changed_at else None,
            # From the one to the other new sign-ins of every consumer failed.
            "promoted_at": instant.dump(datetime.now(UTC)),
            "old_refused": dict(work.old_refused),
        }
        if work.step.parameters["end_sessions"] is True:
            ending = EndingOld(work.role, work.oid, work.proved_at)
            ending.add(work.name, work.primary)
            add_standbys(
                ending, work.primary, work.stack, work.clearance, work.step, work.targets,
                work.deadline,
            )  # fmt: skip
            until = min(work.deadline.at - NAMING_SECONDS, Deadline.within(PATIENCE_SECONDS).at)
            # What does not end in time is seen by the next look, and `tighten` tries again.
            ending.finish(Deadline(until))
            detail["sessions_ended"] = ending.count
        return Outcome(detail, made={**outcome.made, **made_of(work)})
