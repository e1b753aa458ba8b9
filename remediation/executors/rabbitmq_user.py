"""The common parts of the actions on a user of RabbitMQ."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

from audit.tlog.canonical import Json
from remediation.domain import instant
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
)
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import (
    NotApplied,
    VerifyFailed,
)
from remediation.executors.rabbitmq_calls import (
    Account,
    Opened,
    Operating,
    operating,
    read_account,
    read_hash,
)
from remediation.executors.rabbitmq_hash import matches
from remediation.executors.rabbitmq_seen import connection, observation
from remediation.executors.rabbitmq_server import Server, server
from remediation.executors.targets import Targets

PAUSE_SECONDS = 0.2
# The server's statistics come each 5 seconds, and only they tell an ended connection whose client
# does not answer from an open one.
STATISTICS_SECONDS = 12.0
MOST_TRACES = 60
NOT_READ = "Only an administrator may read the hash of a password, and the observer is none."


class UserAction(Executor):
    """The common parts of the actions on a user."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        return observation(account_of(step, targets), before_of(step))

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


def before_of(step: Step) -> datetime | None:
    """Return the moment of the plan; None if the action has none."""
    value = step.parameters.get("begun_before")
    return instant.parse(value) if isinstance(value, str) else None


def _at(step: Step, targets: Targets) -> Server:
    return server(targets, step.target.fields["server"])


def account_of(step: Step, targets: Targets) -> Account:
    """Return the user as the observer sees it. Raises TargetUnobservable."""
    return read_account(_at(step, targets), step.target.fields["user"])


@contextmanager
def operating_of(
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


def traces_of(opened: Sequence[Opened]) -> Mapping[str, Json]:
    listed: list[Json] = [connection(one) for one in opened[:MOST_TRACES]]
    return {"connections": listed, "more": len(opened) - len(listed)} if listed else {}
