"""Switch users of RabbitMQ off and on, and end their connections.

The management API has no `off`. A limit of 0 connections comes next to it: it keeps password, tags
and permissions, and can be taken back. It is asked when a connection opens, after every way to sign
in. Measured with RabbitMQ 3.10: AMQP 0-9-1, MQTT and STOMP refuse the connection, AMQP 1.0 each
session; open connections keep working; the stream protocol and the management API do not ask for
it. So a listener for streams, and a tag, are ways in that are left, and are said.

What is seen of a user holds no password and no hash of one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.rabbitmq import DISABLE, ENABLE, PROVIDER
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import (
    Deadline,
    Outcome,
    Point,
    Snapshot,
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
    RollbackFailed,
    StepFailed,
)
from remediation.executors.rabbitmq_calls import (
    OFF,
)
from remediation.executors.rabbitmq_ending import EndConnections
from remediation.executors.rabbitmq_server import read
from remediation.executors.rabbitmq_user import (
    UserAction,
    account_of,
    operating_of,
    traces_of,
)
from remediation.executors.targets import Targets

# The server lists a connection some milliseconds after it opened, and ends those that it lists.
LISTED_SECONDS = 0.3


class _Switch(UserAction):
    """Switch a user off or on."""

    def snapshot(self, observation: Observation) -> Snapshot:
        """Keep a limit of the user's own, too: 0 stands for none."""
        return {**observation.state, "own_limit": observation.shown["own_limit"]}

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        limit = OFF if snapshot["status"] == "off" else int(str(snapshot["own_limit"])) or None
        try:
            with operating_of(step, targets, clearance, deadline) as call:
                call.set_limit(limit)
            found = self.observe(step, targets)
        except (StepFailed, TargetUnobservable) as error:
            raise RollbackFailed(str(error)) from error
        if found.state.get("status") != snapshot["status"]:
            raise RollbackFailed(f"the user is {found.state.get('status', 'not there')}")
        return Outcome({"status": str(snapshot["status"])})


class DisableUser(_Switch):
    """Set a user's limit to 0 connections, and end those that are open where the plan says so."""

    spec = DISABLE

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        """A listener for streams and the management API are ways in that the limit leaves."""
        seen, name = observation.shown, f"RabbitMQ {step.target.fields['server']}"
        streams, tags = seen.get("stream_listeners"), seen.get("tags")
        if not observation.exists or not isinstance(streams, list):
            return (Point(step.target.locator, None),)
        count = seen["connections"]
        opened = (f"{count} open connections",) if count and _ends(step) else ()
        return (
            Point(name, observation.state["status"] == "off" and not count, opened),
            *(Point(f"{name}, streams at {one}", False) for one in streams),
            Point(f"{name}, management API", None if tags is None else not tags),
        )

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return traces_of(account_of(step, targets).opened) if _ends(step) else {}

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Switch off first, so that no ended connection comes again.

        A crash between leaves the user off with its connections open; `tighten` ends them.
        """
        changed, ended = False, 0
        try:
            with operating_of(step, targets, clearance, deadline) as call:
                changed = call.set_limit(OFF)
                if _ends(step):
                    time.sleep(LISTED_SECONDS)
                    ended = call.end_all()
        except NotApplied as error:
            if changed:
                raise PartlyApplied(f"the user is off, connections are left: {error}") from error
            raise
        return Outcome({"status": "off", "ended": ended})

    def tighten(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End connections that are left, unless somebody has switched the user on since."""
        if not _ends(step):
            return Outcome()
        with operating_of(step, targets, clearance, deadline) as call:
            return Outcome({"ended": call.end_all() if call.limit() == OFF else 0})


class EnableUser(_Switch):
    """Take a limit of 0 connections from a user; any other limit stays."""

    spec = ENABLE

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with operating_of(step, targets, clearance, deadline) as call:
            changed = call.limit() == OFF and call.set_limit(None)
        return Outcome({"status": "on", "changed": changed})


def _ends(step: Step) -> bool:
    return bool(step.parameters.get("end_connections"))


DRIVER = Driver(PROVIDER.name, (DisableUser, EnableUser, EndConnections), read)
