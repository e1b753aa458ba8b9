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
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue.rabbitmq import DISABLE, ENABLE, END_CONNECTIONS, PROVIDER
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
from remediation.executors.rabbitmq_calls import (
    OFF,
    Account,
    Opened,
    Operating,
    operating,
    read_account,
    read_hash,
)
from remediation.executors.rabbitmq_hash import matches
from remediation.executors.rabbitmq_seen import connection, observation
from remediation.executors.rabbitmq_server import Server, read, server
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.2
# The server's statistics come each 5 seconds, and only they tell an ended connection whose client
# does not answer from an open one.
STATISTICS_SECONDS = 12.0
# The server lists a connection some milliseconds after it opened, and ends those that it lists.
LISTED_SECONDS = 0.3
MOST_TRACES = 60
# The worker's clock may be behind the server's, whose own is asked before connections end.
CLOCKS = timedelta(seconds=10)
# The server says its time in whole seconds, and sets that clock once a second.
ROUNDED = timedelta(seconds=3)
NOT_READ = "Only an administrator may read the hash of a password, and the observer is none."


class _User(Executor):
    """The common parts of the actions on a user."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return observation(_account(step, targets), _before(step))

    def secret_in_force(
        self, step: Step, targets: Targets, candidates: Sequence[Candidate]
    ) -> Compared:
        """Compare with the salted hash, if the observer may read it; no candidate is sent."""
        at, place = _at(step, targets), f"users of RabbitMQ {step.target.fields['server']}"
        held = read_hash(at, step.target.fields["user"])
        if held is None:
            return Compared((None,) * len(candidates), place=place, why=NOT_READ)
        return Compared(tuple(_is_held(one, *held) for one in candidates), place=place)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(STATISTICS_SECONDS, deadline.left))
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
            with _operating(step, targets, clearance, deadline) as call:
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
        return _traces(_account(step, targets).opened) if _ends(step) else {}

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Switch off first, so that no ended connection comes again.

        A crash between leaves the user off with its connections open; `tighten` ends them.
        """
        changed, ended = False, 0
        try:
            with _operating(step, targets, clearance, deadline) as call:
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
        with _operating(step, targets, clearance, deadline) as call:
            return Outcome({"ended": call.end_all() if call.limit() == OFF else 0})


class EnableUser(_Switch):
    """Take a limit of 0 connections from a user; any other limit stays."""

    spec = ENABLE

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        with _operating(step, targets, clearance, deadline) as call:
            changed = call.limit() == OFF and call.set_limit(None)
        return Outcome({"status": "on", "changed": changed})


class EndConnections(_User):
    """End a user's connections that began before a moment; younger ones go on."""

    spec: ClassVar = END_CONNECTIONS

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        before = _before(step)
        if before is not None:
            _refuse_future(before, datetime.now(UTC) + CLOCKS)

    def settled(self, observation: Observation) -> Settled | None:
        """Nothing pinned changes: applied is when no such connection is left."""
        left = observation.shown.get("old_connections")
        if not observation.exists or left is None:
            return None
        return Settled.NOT_APPLIED if left else Settled.APPLIED

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        left = observation.shown.get("old_connections")
        if not observation.exists or left is None:
            return (Point(step.target.locator, None),)
        opened = (f"{left} connections from before the given time",) if left else ()
        return (Point(f"RabbitMQ {step.target.fields['server']}", not left, opened),)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        before = _before(step)
        if before is None:
            return {}
        every = _account(step, targets).opened
        return _traces([one for one in every if one.is_older(before) is not False])

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """End one after the other. A crash leaves the rest open; the next call ends them."""
        ended = set[str]()
        try:
            with _operating(step, targets, clearance, deadline) as call:
                _end_older(call, _before(step), ended)
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


def _before(step: Step) -> datetime | None:
    """Return the moment of the plan; None if the action has none."""
    value = step.parameters.get("begun_before")
    return instant.parse(value) if isinstance(value, str) else None


def _ends(step: Step) -> bool:
    return bool(step.parameters.get("end_connections"))


def _at(step: Step, targets: Targets) -> Server:
    return server(targets, step.target.fields["server"])


def _account(step: Step, targets: Targets) -> Account:
    """Return the user as the observer sees it. Raises TargetUnobservable."""
    return read_account(_at(step, targets), step.target.fields["user"])


@contextmanager
def _operating(
    step: Step, targets: Targets, clearance: Clearance, deadline: Deadline
) -> Iterator[Operating]:
    """Yield the operator's calls. Raises ClearanceRefused and NotApplied before any of them."""
    refuse_without_clearance(clearance)
    try:
        at = _at(step, targets)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    with operating(at, clearance, step.target.fields["user"], deadline) as call:
        yield call


def _is_held(candidate: Candidate, held: str, algorithm: str) -> bool | None:
    """Return whether one of the forms is the password; None if that cannot be told."""
    answers = [matches(value, held, algorithm) for value in candidate.values]
    if True in answers:
        return True
    return None if None in answers or not answers else False


def _traces(opened: Sequence[Opened]) -> Mapping[str, Json]:
    listed: list[Json] = [connection(one) for one in opened[:MOST_TRACES]]
    return {"connections": listed, "more": len(opened) - len(listed)} if listed else {}


DRIVER = Driver(PROVIDER.name, (DisableUser, EnableUser, EndConnections), read)
