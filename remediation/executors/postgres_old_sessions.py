"""End the sessions of a role that began before a moment; younger ones go on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue.postgres_rotation import END_SESSIONS
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Outcome, Point, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed
from remediation.executors.postgres_ending import EndingOld
from remediation.executors.postgres_operate import primary_of
from remediation.executors.postgres_password import add_to_servers, refuse_older
from remediation.executors.postgres_proof import passwords_of
from remediation.executors.postgres_role import (
    NAMING_SECONDS,
    PATIENCE_SECONDS,
    RoleAction,
    add_standbys,
)
from remediation.executors.postgres_session import Connection, NotUsable
from remediation.executors.postgres_traces import session_traces
from remediation.executors.targets import Targets

# The worker's clock may be behind the target's, whose own is asked again before sessions end.
CLOCKS = timedelta(seconds=10)


class EndSessions(RoleAction):
    """End old sessions on every server."""

    spec = END_SESSIONS

    def _beside(self, step: Step, targets: Targets, found: Mapping[str, Any]) -> dict[str, Any]:
        passwords = passwords_of(step, targets, found["oid"])
        return {"servers": add_to_servers(found["servers"], passwords, _before(step))}

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return session_traces(step, targets, _before(step))

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        before = _before(step)
        if before is not None and before > datetime.now(UTC) + CLOCKS:
            raise NotApplied(f"{instant.dump(before)} has not come yet: it would end new sessions")

    def settled(self, observation: Observation) -> Settled | None:
        """Nothing pinned changes: applied is when no such session is left on any server."""
        servers = observation.shown.get("servers")
        if not observation.exists or not isinstance(servers, list):
            return None
        left = any(isinstance(each, dict) and each.get("old_sessions") for each in servers)
        return Settled.NOT_APPLIED if left else Settled.APPLIED

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        servers = observation.shown.get("servers")
        if not isinstance(servers, list) or not servers:
            return (Point(step.target.locator, None),)
        return tuple(_point(each) for each in servers)

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """Sessions that are left say that it is not applied; only unseen servers stay open."""
        if self.settled(observation) is not Settled.APPLIED:
            return ()
        return super().left_open(step, observation)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        before = _before(step)
        if before is None:
            raise NotApplied("the time is not known yet")
        with ExitStack() as stack:
            primary = primary_of(stack, clearance, step, targets, deadline)
            try:
                refuse_older(primary)
                _refuse_future(primary, before)
            except NotUsable as error:
                raise NotApplied(error.detail) from None
            ending = EndingOld(step.target.fields["role"], self._oid(primary, step), before)
            ending.add(step.target.fields["cluster"], primary)
            if ending.failed:
                raise NotApplied("; ".join(ending.failed.values()))
            add_standbys(ending, primary, stack, clearance, step, targets, deadline)
            until = min(deadline.at - NAMING_SECONDS, Deadline.within(PATIENCE_SECONDS).at)
            if not ending.finish(Deadline(until)):
                left = [f"server {place}: {why}" for place, why in ending.failed.items()]
                raise PartlyApplied("; ".join(left) or "some of the sessions have not ended yet")
            return Outcome({"sessions_ended": ending.count})

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return self.apply(clearance, step, targets, deadline)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        seen = self._read_until(
            lambda o: self.settled(o) is Settled.APPLIED and not self.left_open(step, o),
            step,
            targets,
            deadline,
        )
        return Outcome(self.seen(seen))

    def _state_in_words(self, seen: Observation) -> str:
        if not seen.exists:
            return "there is no such role"
        servers = seen.shown.get("servers")
        left = [p for each in servers if isinstance(each, dict)
                for p in each.get("old_sessions") or ()] if isinstance(servers, list) else []  # type: ignore[union-attr]  # fmt: skip
        return f"sessions that began before are open: {left}"

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        raise RollbackFailed("sessions that have ended are not restored")


def _refuse_future(primary: Connection, before: datetime) -> None:
    """Refuse a moment that has not come by the clock that says when sessions began."""
    row = primary.execute("SELECT clock_timestamp() < %s AS future", [before]).fetchone()
    if row is None or row["future"]:
        raise NotUsable(f"{instant.dump(before)} has not come yet: it would end new sessions")


def _before(step: Step) -> datetime | None:
    """Return the moment; None while it is a reference to what another step makes."""
    value = step.parameters["begun_before"]
    return instant.parse(value) if isinstance(value, str) else None


def _point(server: Any) -> Point:
    place = f"server {server['server']}"
    if server["login"] is None:
        opened = (f"{place}: not looked at: {server['why']}",) if server["named"] else ()
        return Point(place, None, opened)
    return Point(
        place,
        not server["old_sessions"],
        tuple(f"{place}: session, pid {pid}" for pid in server["old_sessions"]),
    )
