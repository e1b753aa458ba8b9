"""Switch users of Valkey (or Redis) off and on; switched off, end their connections.

Each node has a list of its own, so each is changed and read by itself. Being off is asked at
sign-in only: an open connection keeps working (measured with Valkey 9 and Redis 7), so the step
ends connections after it, where the plan says so. What is seen of a user holds no password and no
hash of one: the server's hashes have no salt.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.valkey import DISABLE, ENABLE, PROVIDER
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Deadline, Outcome, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.driver import Driver
from remediation.executors.errors import NotApplied, PartlyApplied, RollbackFailed, StepFailed
from remediation.executors.targets import Targets
from remediation.executors.valkey_calls import change, end_at_each_node, require_rights
from remediation.executors.valkey_old_connections import EndConnections
from remediation.executors.valkey_server import Server, read, server
from remediation.executors.valkey_user import User, accounts, connection_traces, refuse_gone


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
        left: PartlyApplied | None = None
        done = list[Json]()
        try:
            done = _set(at, clearance, step, targets, wanted, deadline)
        except PartlyApplied as error:
            left = error  # connections end where the user is off, also then
        user, any_ = step.target.fields["user"], done or [left is not None]
        ended = end_at_each_node(at, clearance, user, deadline, any_) if ends else 0
        if left is not None:
            raise left
        return Outcome({"status": self.status, "nodes": done, "ended": ended})

    def snapshot(self, observation: Observation) -> Snapshot:
        nodes = observation.shown["nodes"]
        assert isinstance(nodes, dict)
        each = {node: seen["status"] for node, seen in nodes.items() if isinstance(seen, dict)}
        return {**observation.state, "nodes": each}

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Nothing was done only where each node is as before: a call can be lost in between."""
        found = self.settled(observation)
        nodes = before.get("nodes")
        if found is not Settled.NOT_APPLIED or not isinstance(nodes, dict):
            return found
        now = self.snapshot(observation)["nodes"]
        return found if now == nodes else None

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
        return connection_traces(step, targets) if step.parameters.get("end_connections") else {}

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
        at, user = server(targets, step.target.fields["server"]), step.target.fields["user"]
        # Where somebody has switched the user on since, connections are not the step's to end.
        try:
            off = [node for node, one in accounts(step, targets).items() if one.status == "off"]
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        there = replace(at, nodes=tuple(off))
        return Outcome({"ended": end_at_each_node(there, clearance, user, deadline, ())})


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

    One node that fails keeps no other one from being changed. Raises NotApplied where nothing was
    changed, PartlyApplied after the first change, OutcomeUnknown.
    """
    refuse_gone(step, targets)
    user, done, failed = step.target.fields["user"], list[Json](), list[StepFailed]()
    for node, status in wanted.items():
        try:
            if change(at, node, clearance, user, status, deadline):
                done.append(node)
        except (NotApplied, PartlyApplied) as error:
            failed.append(error)
            if isinstance(error, PartlyApplied):
                done.append(node)
    if failed and done:
        raise PartlyApplied(f"changed at {', '.join(map(str, done))}: {failed[0]}") from failed[0]
    if failed:
        raise failed[0]
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


DRIVER = Driver(PROVIDER.name, (DisableUser, EnableUser, EndConnections), read)
