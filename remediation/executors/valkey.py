"""Switch users of Valkey (or Redis) off and on; switched off, end their connections.

Each node has a list of its own, so each is changed and read by itself. Being off is asked at
sign-in only: an open connection keeps working (measured with Valkey 9 and Redis 7), so the step
ends connections after it, where the plan says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.valkey import DISABLE, ENABLE, PROVIDER
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Outcome, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.driver import Driver
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed, StepFailed
from remediation.executors.targets import Targets
from remediation.executors.valkey_calls import change, end_connections, require_rights
from remediation.executors.valkey_old_connections import EndConnections
from remediation.executors.valkey_server import Server, read, server
from remediation.executors.valkey_user import User, connection_traces, refuse_gone


class _Switch(User):
    """Switch a user off or on at each node."""

    status: ClassVar[str]

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        refuse_without_clearance(clearance)
        at = server(targets, step.target.fields["server"])
        wanted = dict.fromkeys(at.nodes, self.status)
        ends = bool(step.parameters.get("end_connections"))
        _require_rights(at, clearance, step, deadline, ends=ends)
        done = _set(at, clearance, step, targets, wanted, deadline)
        ended = _end(at, clearance, step, deadline, done) if ends else 0
        return Outcome({"status": self.status, "nodes": done, "ended": ended})

    def snapshot(self, observation: Observation) -> Snapshot:
        nodes = observation.shown["nodes"]
        assert isinstance(nodes, dict)
        each = {node: seen["status"] for node, seen in nodes.items() if isinstance(seen, dict)}
        return {**observation.state, "nodes": each}

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        at, before = server(targets, step.target.fields["server"]), snapshot["nodes"]
        assert isinstance(before, dict)
        wanted = {node: str(status) for node, status in before.items() if status != self.status}
        try:
            done = _set(at, clearance, step, targets, wanted, deadline)
            found = self.observe(step, targets)
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(str(error)) from error
        if found.state.get("status") != snapshot["status"]:
            raise RollbackFailed(f"the user is {found.state.get('status', 'not there')}")
        return Outcome({"status": str(snapshot["status"]), "nodes": done})


class DisableUser(_Switch):
    """Switch a user off, and end its connections where the plan says so."""

    spec = DISABLE
    status = "off"

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return connection_traces(step, targets) if step.parameters["end_connections"] else {}

    def _open(self, step: Step, seen: Mapping[str, Json]) -> tuple[str, ...]:
        if not step.parameters.get("end_connections") or not seen["connections"]:
            return ()
        return (f"{seen['connections']} open connections",)

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End connections that came between the change and their end."""
        if not step.parameters.get("end_connections"):
            return Outcome()
        at = server(targets, step.target.fields["server"])
        return Outcome({"ended": _end(at, clearance, step, deadline, ())})


class EnableUser(_Switch):
    """Switch a user on."""

    spec = ENABLE
    status = "on"


def _set(
    at: Server,
    clearance: Clearance,
    step: Step,
    targets: Targets,
    wanted: Mapping[str, str],
    deadline: Deadline,
) -> list[Json]:
    """Set the user's status at these nodes; return those that were changed.

    Raises NotApplied where nothing was changed, PartlyApplied after the first change.
    """
    refuse_gone(step, targets)
    user, done = step.target.fields["user"], list[Json]()
    for node, status in wanted.items():
        try:
            if change(at, node, clearance, user, status, deadline):
                done.append(node)
        except NotApplied as error:
            if done:
                raise PartlyApplied(f"changed at {', '.join(map(str, done))}: {error}") from error
            raise
    return done


def _require_rights(
    at: Server, clearance: Clearance, step: Step, deadline: Deadline, *, ends: bool
) -> None:
    user = step.target.fields["user"]
    commands = [("ACL", "SETUSER", user, "off"), ("ACL", "SAVE")]
    if ends:
        commands.append(("CLIENT", "KILL", "USER", user))
    for node in at.nodes:
        require_rights(at, node, clearance, commands, deadline)


def _end(
    at: Server, clearance: Clearance, step: Step, deadline: Deadline, changed: Sequence[Json]
) -> int:
    """End the user's connections at each node; return how many.

    Raises PartlyApplied where something was changed before, NotApplied where nothing was.
    """
    ended = 0
    for node in at.nodes:
        try:
            ended += end_connections(at, node, clearance, step.target.fields["user"], deadline)
        except NotApplied as error:
            if changed or ended:
                raise PartlyApplied(f"connections are left at {node}: {error}") from error
            raise
    return ended


DRIVER = Driver(PROVIDER.name, (DisableUser, EnableUser, EndConnections), read)
