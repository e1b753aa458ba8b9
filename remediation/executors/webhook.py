"""Hand an approved step to a team's own automation, and ask it what became of it.

A start is a signed message (Standard Webhooks 1.0.0) whose id names the approved step, so that a
receiver which gets it twice runs the task once. The result is asked for, never taken in: no address
of the portal is given away, and the automation needs no way to it. Only what the receiver says
afterwards, by a second call, confirms the step.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from hashlib import sha256

from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.catalogue.webhook import PROVIDER, RUN
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.secrets.masking import mask_text
from remediation.domain.store_place import version_name
from remediation.executors.base import GONE, Deadline, Executor, Outcome, Snapshot
from remediation.executors.credentials import (
    for_observing,
    for_operating,
    refuse_without_clearance,
)
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.libraries import STANDARD_WEBHOOKS
from remediation.executors.targets import Targets
from remediation.executors.webhook_receiver import (
    CONNECT_SECONDS,
    READ_SECONDS,
    NoAnswer,
    ask,
    not_done,
    read,
    receiver,
    unobservable,
)

START, STATUS = "hitlportal.task.run", "hitlportal.task.status"
STATES = frozenset({"idle", "running", "done", "failed"})
RUN_ID = re.compile(RUN.makes["run"])
MOST_SAID = 300
PAUSE_SECONDS, VERIFY_SECONDS = 0.3, 5.0


def run_id(version: str) -> str:
    """Return the id of the message for a step: the same for every attempt at it."""
    return f"msg_{sha256(version.encode()).hexdigest()[:32]}"


class RunTask(Executor):
    """Start a task, once for each approved step."""

    spec = RUN

    def observe(self, step: Step, targets: Targets) -> Observation:
        name = step.target.fields["receiver"]
        at = receiver(targets, name)
        if step.target.fields["task"] not in at.tasks:
            return GONE
        secret = for_observing(at.observer)
        question = f"msg_{sha256(f'{time.time_ns()}'.encode()).hexdigest()[:32]}"
        try:
            status, said = ask(at, secret, question, STATUS, _about(step))
        except NoAnswer as error:
            raise unobservable(name, error) from None
        if status == 404:
            return GONE
        if status != 200:
            raise unobservable(name, f"it answered with status {status}")
        return _observation(name, said)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if observation.state["state"] == "running":
            raise NotApplied("the automation runs this task now; wait until it has ended")

    def own_made(self, observation: Observation, before: Snapshot) -> Mapping[str, str] | None:
        """Another run of the same task is not this step's."""
        found = self.found_made(observation, before)
        return found if found is not None and found["run"] == run_id(self.version) else None

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        """Start the task. A crash after the message leaves a run that the next look finds."""
        refuse_without_clearance(clearance)
        name, run = step.target.fields["receiver"], _run(clearance)
        try:
            at, seen = receiver(targets, name), self.observe(step, targets)
        except TargetUnobservable as error:
            raise NotApplied(error.detail) from error
        if not seen.exists:
            raise NotApplied(f"{step.target.locator} does not exist")
        if seen.state["last_run"] == run:
            return Outcome({"run": run}, made={"run": run})
        if deadline.left < CONNECT_SECONDS + READ_SECONDS:
            raise NotApplied("no time is left for the call")
        secret = for_operating(clearance, at.operator)
        data = {**_about(step), "proposal": clearance.proposal_id, "step": clearance.step}
        try:
            status, _ = ask(at, secret, run, START, {**data, "plan_digest": clearance.plan_digest})
        except NoAnswer as error:
            raise not_done(name, error) from None
        if 200 <= status < 300:
            return Outcome({"run": run}, made={"run": run})
        wrong = NotApplied if 300 <= status < 500 else OutcomeUnknown
        raise wrong(f"receiver {name}: it answered with status {status}")

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        give_up = Deadline.within(min(VERIFY_SECONDS, deadline.left))
        run = _run(clearance)
        while True:
            try:
                seen = self.observe(step, targets)
            except TargetUnobservable as error:
                raise VerifyFailed(error.detail) from error
            if not seen.exists:
                raise VerifyFailed(f"{step.target.locator} does not exist")
            if seen.state == {"state": "done", "last_run": run}:
                return Outcome(dict(seen.state), seen, {"run": run})
            if give_up.passed:
                raise VerifyFailed(f"the automation says: {seen.state['state']}")
            time.sleep(PAUSE_SECONDS)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        raise RollbackFailed("a task of an automation cannot be undone by the portal")


def _run(clearance: Clearance) -> str:
    return run_id(version_name(clearance.proposal_id, clearance.step))


def _about(step: Step) -> dict[str, Json]:
    return {name: step.target.fields[name] for name in ("task", "subject")}


def _observation(name: str, said: Mapping[str, object]) -> Observation:
    state, last = said.get("state"), said.get("last_run", "")
    if state not in STATES or not isinstance(last, str) or (last and not RUN_ID.fullmatch(last)):
        raise unobservable(name, "its answer does not say state and last_run")
    shown: dict[str, Json] = {
        "said": inert.noted(mask_text(str(said.get("said", ""))[: 4 * MOST_SAID]), MOST_SAID),
        "at": inert.noted(mask_text(str(said.get("at", ""))[:200]), 40),
    }
    return Observation(True, {"state": str(state), "last_run": last}, shown, simulated=False)


DRIVER = Driver(PROVIDER.name, (RunTask,), read, needs=(STANDARD_WEBHOOKS,))
