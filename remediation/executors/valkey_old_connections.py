"""End the connections of a Valkey user that began before a moment; the user stays on.

A node tells the age of a connection in whole seconds, and its own time (TIME). By both a connection
seems at most a second older than it is: one of the given second may be ended, none of before it is
left. The client connects again at once, with the same password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue.valkey import END_CONNECTIONS
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Outcome, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed
from remediation.executors.targets import Targets
from remediation.executors.valkey_calls import (
    CLOCKS_SECONDS,
    end_old,
    read_clients,
    require_rights,
)
from remediation.executors.valkey_server import server
from remediation.executors.valkey_user import User, connection_traces, refuse_gone


class EndConnections(User):
    """End old connections at each node."""

    spec = END_CONNECTIONS

    def observe(self, step: Step, targets: Targets) -> Observation:
        """Add to each node how many connections there began before the moment."""
        seen = super().observe(step, targets)
        nodes = seen.shown.get("nodes")
        if not seen.exists or not isinstance(nodes, dict):
            return seen
        at, user = server(targets, step.target.fields["server"]), step.target.fields["user"]
        more: dict[str, Json] = {
            node: {**one, "old": len(read_clients(at, node, user, _before(step)))}
            for node, one in nodes.items()
            if isinstance(one, dict)
        }
        return replace(seen, shown={**seen.shown, "nodes": more})

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return connection_traces(step, targets, _before(step))

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if _before(step) > datetime.now(UTC) + timedelta(seconds=CLOCKS_SECONDS):
            raise NotApplied("the given time has not come yet: it would end new connections")

    def settled(self, observation: Observation) -> Settled | None:
        """Nothing pinned changes: applied is when no node has such a connection."""
        if not observation.exists:
            return None
        return Settled.NOT_APPLIED if _left(observation) else Settled.APPLIED

    def _why_not(self, step: Step, found: Observation) -> str:
        left = _left(found)
        if not found.exists or not left:
            return super()._why_not(step, found)
        return f"{left} connections that began before are open"

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        at, user = server(targets, step.target.fields["server"]), step.target.fields["user"]
        refuse_gone(step, targets)
        commands = [("CLIENT", "LIST"), ("TIME",), ("CLIENT", "KILL", "ID", "1", "USER", user)]
        for node in at.nodes:
            require_rights(at, node, clearance, commands, deadline)
        ended = 0
        for node in at.nodes:
            try:
                ended += end_old(at, node, clearance, user, _before(step), deadline)
            except NotApplied as error:
                if ended:
                    raise PartlyApplied(f"{ended} ended; connections are left: {error}") from error
                raise
        return Outcome({"ended": ended})

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        return self.apply(clearance, step, targets, deadline)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        raise RollbackFailed("connections that have ended are not restored")


def _before(step: Step) -> datetime:
    return instant.parse(str(step.parameters["begun_before"]))


def _left(observation: Observation) -> int:
    """Return how many connections that began before are open, at all nodes."""
    nodes = observation.shown.get("nodes")
    each = nodes.values() if isinstance(nodes, dict) else ()
    return sum(int(str(one.get("old", 0))) for one in each if isinstance(one, dict))
