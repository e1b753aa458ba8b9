"""Switch users of Valkey (or Redis) off and on; switched off, end their connections.

Each node has a list of its own, so each is changed and read by itself. Being off is asked at
sign-in only: an open connection keeps working (measured with Valkey 9 and Redis 7), so the step
ends connections after it, where the plan says so. What is seen of a user holds no password and no
hash of one: the server's hashes have no salt.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.valkey import DISABLE, ENABLE, PROVIDER
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import (
    Candidate,
    Compared,
    Deadline,
    Executor,
    Outcome,
    Point,
    Settled,
    Snapshot,
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
    VerifyFailed,
)
from remediation.executors.targets import Targets
from remediation.executors.valkey_calls import (
    Account,
    change,
    end_at_each_node,
    read_node,
    require_rights,
)
from remediation.executors.valkey_server import Server, read, server

PAUSE_SECONDS = 0.2
VERIFY_SECONDS = 5.0


class _User(Executor):
    """The common parts of the actions on a user."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return _observation(_accounts(step, targets))

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Compare with the hashes that the observer's login reads; nothing is sent."""
        accounts = _accounts(step, targets).values()
        if any(one.any_password for one in accounts):
            why = "a node takes any password for the user"
            return Compared((None,) * len(candidates), why=why)
        held = {each for one in accounts for each in one.hashes}
        answers = tuple(
            any(hashlib.sha256(value.encode()).hexdigest() in held for value in one.values)
            if one.values
            else None
            for one in candidates
        )
        return Compared(answers, place=f"users of Valkey {step.target.fields['server']}")

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        nodes = observation.shown.get("nodes")
        if not observation.exists or not isinstance(nodes, dict):
            return (Point(step.target.locator, None),)
        return tuple(
            Point(f"Valkey node {node}", _without(seen), self._open(step, seen))
            for node, seen in sorted(nodes.items())
            if isinstance(seen, dict)
        )

    def _open(self, step: Step, seen: Mapping[str, Json]) -> tuple[str, ...]:
        """Return what is still open at a node for this action, in words."""
        return ()

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        while True:
            try:
                found = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            why = self._why_not(step, found)
            if not why:
                return Outcome(self.seen(found), found)
            if give_up.passed:
                raise VerifyFailed(why)
            time.sleep(PAUSE_SECONDS)

    def _why_not(self, step: Step, found: Observation) -> str:
        """Return why the target is not in the wanted state; "" if it is."""
        wanted = self.spec.leads_to.get("status")
        if not found.exists:
            return f"{step.target.locator} does not exist"
        if wanted is not None and found.state["status"] != wanted:
            return f"the user is {found.state['status']}"
        return "; ".join(self.left_open(step, found))


class _Switch(_User):
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
            off = [node for node, one in _accounts(step, targets).items() if one.status == "off"]
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        there = replace(at, nodes=tuple(off))
        return Outcome({"ended": end_at_each_node(there, clearance, user, deadline, ())})


class EnableUser(_Switch):
    """Switch a user on."""

    spec = ENABLE
    status = "on"


def _accounts(step: Step, targets: Targets) -> dict[str, Account]:
    """Return the user at each node. Raises TargetUnobservable."""
    at, user = server(targets, step.target.fields["server"]), step.target.fields["user"]
    return {node: read_node(at, node, user) for node in at.nodes}


def _observation(accounts: Mapping[str, Account]) -> Observation:
    held = {node: one for node, one in accounts.items() if one.exists}
    if not held:
        return Observation(False, {}, {}, False)
    # A node without the user lets it in no more than one where it is off.
    states = {one.status for one in accounts.values()}
    rights = sorted({one.rights for one in held.values()})
    state: dict[str, Json] = {
        "status": min(states) if len(states) == 1 else "mixed",
        "rights": " | ".join(rights),
    }
    kept = sorted({one.persisted for one in held.values() if one.persisted})
    actives = [one.idle_s for one in held.values() if one.idle_s is not None]
    addresses = sorted({each for one in held.values() for each in one.addresses})
    shown: dict[str, Json] = {
        "nodes": {
            node: {"status": one.status, "connections": one.connections}
            for node, one in sorted(accounts.items())
        },
        "connections": sum(one.connections for one in held.values()),
        "addresses": [*addresses],
        "last_active_s": min(actives, default=None),
        "passwords": max(len(one.hashes) for one in held.values()),
        "persisted": [*kept],
    }
    return Observation(True, state, shown, False)


def _without(seen: Mapping[str, Json]) -> bool:
    """Return whether a node lets the user in no more; an open connection is access, too."""
    return seen["status"] == "off" and not seen["connections"]


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
    _refuse_gone(step, targets)
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


def _refuse_gone(step: Step, targets: Targets) -> None:
    """ACL SETUSER would make the user."""
    try:
        accounts = _accounts(step, targets)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    if not any(one.exists for one in accounts.values()):
        raise NotApplied(f"{step.target.locator} does not exist")


DRIVER = Driver(PROVIDER.name, (DisableUser, EnableUser), read)
