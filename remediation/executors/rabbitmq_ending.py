"""End the connections of a user of RabbitMQ that began before a moment; younger ones go on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue.rabbitmq import END_CONNECTIONS
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import (
    Deadline,
    Outcome,
    Point,
    Settled,
    Snapshot,
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import (
    NotApplied,
    PartlyApplied,
    RollbackFailed,
)
from remediation.executors.rabbitmq_calls import (
    Operating,
)
from remediation.executors.rabbitmq_user import (
    PAUSE_SECONDS,
    STATISTICS_SECONDS,
    UserAction,
    account_of,
    before_of,
    operating_of,
    traces_of,
)
from remediation.executors.targets import Targets

# The worker's clock may be behind the server's, whose own is asked before connections end.
CLOCKS = timedelta(seconds=10)
# The server says its time in whole seconds, and sets that clock once a second.
ROUNDED = timedelta(seconds=3)


class EndConnections(UserAction):
    """End a user's connections that began before a moment; younger ones go on."""

    spec: ClassVar = END_CONNECTIONS

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        before = before_of(step)
        if before is not None:
            _refuse_future(before, datetime.now(UTC) + CLOCKS)

    def settled(self, observation: Observation) -> Settled | None:
        """Nothing pinned changes: applied is when no such connection is left."""
        left = observation.shown.get("old_connections")
        if not observation.exists or left is None:
            return None
        # What is left may be what a call that was lost did not reach: it is no sign of nothing.
        return None if left else Settled.APPLIED

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        left = observation.shown.get("old_connections")
        if not observation.exists or left is None:
            return (Point(step.target.locator, None),)
        opened = (f"{left} connections from before the given time",) if left else ()
        return (Point(f"RabbitMQ {step.target.fields['server']}", not left, opened),)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        before = before_of(step)
        if before is None:
            return {}
        every = account_of(step, targets).opened
        return traces_of([one for one in every if one.is_older(before) is not False])

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End one after the other. A crash leaves the rest open; the next call ends them."""
        ended = set[str]()
        try:
            with operating_of(step, targets, clearance, deadline) as call:
                _end_older(call, before_of(step), ended)
        except NotApplied as error:
            if ended:
                raise PartlyApplied(f"{len(ended)} connections have ended: {error}") from error
            raise
        return Outcome({"ended": len(ended)})

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


def _end_older(call: Operating, before: datetime | None, ended: set[str]) -> None:
    """End what began before; wait for the statistics of what is too young to tell.

    Adds to `ended` the names of what was ended, also if it raises.
    """
    if before is None:
        raise NotApplied("the time is not known")
    _refuse_future(before, (call.server_time() or datetime.now(UTC)) + ROUNDED)
    call.limit()  # a user that is not there has no connections, and is no target
    give_up = Deadline.within(STATISTICS_SECONDS)
    while True:
        opened = call.opened()
        for one in opened:
            if one.is_older(before) and one.name not in ended and call.end_one(one):
                ended.add(one.name)
        if all(one.since for one in opened) or give_up.passed:
            return
        time.sleep(PAUSE_SECONDS)


def _refuse_future(before: datetime, now: datetime) -> None:
    if before > now:
        raise NotApplied(f"{instant.dump(before)} has not come yet: it would end new connections")
