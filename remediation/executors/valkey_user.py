"""What all actions on a user of Valkey have in common: the look at each node, and the waiting.

What is seen of a user holds no password and no hash of one: the server's hashes have no salt.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import Candidate, Compared, Deadline, Executor, Outcome, Point
from remediation.executors.errors import NotApplied, VerifyFailed
from remediation.executors.targets import Targets
from remediation.executors.valkey_calls import Account, read_clients, read_node
from remediation.executors.valkey_server import server

PAUSE_SECONDS = 0.2
VERIFY_SECONDS = 5.0
# Connections of all nodes together that are told before they end.
MOST_CONNECTIONS = 100


class User(Executor):
    """The common parts of the actions on a user."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return observation_of(accounts(step, targets))

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Compare with the hashes that the observer's login reads; nothing is sent."""
        found = accounts(step, targets).values()
        if any(one.any_password for one in found):
            why = "a node takes any password for the user"
            return Compared((None,) * len(candidates), why=why)
        held = {each for one in found for each in one.hashes}
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
            Point(f"Valkey node {node}", without(seen), self._open(step, seen))
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


def accounts(step: Step, targets: Targets) -> dict[str, Account]:
    """Return the user at each node. Raises TargetUnobservable."""
    at, user = server(targets, step.target.fields["server"]), step.target.fields["user"]
    return {node: read_node(at, node, user) for node in at.nodes}


def observation_of(found: Mapping[str, Account]) -> Observation:
    held = {node: one for node, one in found.items() if one.exists}
    if not held:
        return Observation(False, {}, {}, False)
    # A node without the user lets it in no more than one where it is off.
    states = {one.status for one in found.values()}
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
            for node, one in sorted(found.items())
        },
        "connections": sum(one.connections for one in held.values()),
        "addresses": [*addresses],
        "last_active_s": min(actives, default=None),
        "passwords": max(len(one.hashes) for one in held.values()),
        "persisted": [*kept],
    }
    return Observation(True, state, shown, False)


def without(seen: Mapping[str, Json]) -> bool:
    """Return whether a node lets the user in no more; an open connection is access, too."""
    return seen["status"] == "off" and not seen["connections"]


def refuse_gone(step: Step, targets: Targets) -> None:
    """ACL SETUSER would make the user."""
    try:
        found = accounts(step, targets)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    if not any(one.exists for one in found.values()):
        raise NotApplied(f"{step.target.locator} does not exist")


def connection_traces(
    step: Step, targets: Targets, before: datetime | None = None
) -> Mapping[str, Json]:
    """Return the user's open connections; with a moment, those that began before. {} if there is
    none. A command is its name, without arguments. Raises TargetUnobservable."""
    at, user = server(targets, step.target.fields["server"]), step.target.fields["user"]
    found = [
        {"node": node, **one.to_json()}
        for node in at.nodes
        for one in read_clients(at, node, user, before)
    ]
    more = len(found) - MOST_CONNECTIONS
    traces: dict[str, Json] = {"connections": [*found[:MOST_CONNECTIONS]]} if found else {}
    return {**traces, "more": more} if more > 0 else traces
