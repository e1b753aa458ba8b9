"""The actions on test things, so that runs that wait need no server.

A test thing is a file in `state_dir` (noop.py), `{"exists": true, "tokens": [], "off": [],
"announced": ""}`; without a file it exists and takes the token tk-000000000000. What is seen of its
consumers stands in `NAME.seen.json`, and each key may be left out:

    {"alive": true, "covers_since": "…Z", "resolution_s": 0, "delay_s": 0, "old_used_at": "…Z",
     "others": [], "why": "",
     "consumers": {"SERVICE": {"use": "moved", "last_old": "…Z", "last_new": "…Z", "detail": ""}}}

A token's value does not exist, so nothing secret is made or delivered.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.catalogue import test
from remediation.domain.conditions import ConsumerSeen, Sighting, Use
from remediation.domain.errors import BadInput, TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors.base import (
    GONE,
    Deadline,
    Executor,
    Outcome,
    Point,
    Question,
    Settled,
    Snapshot,
)
from remediation.executors.driver import Driver
from remediation.executors.errors import (
    NotApplied,
    OutcomeUnknown,
    PartlyApplied,
    RollbackFailed,
    VerifyFailed,
)
from remediation.executors.noop import Noop, TestFiles, read
from remediation.executors.targets import Targets

_USUAL: Mapping[str, Json] = {
    "exists": True, "announced": "", "off": [], "tokens": ["tk-000000000000"]
}  # fmt: skip


class Thing(Executor):
    """What all actions on test things share: `after` says what each one leaves."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        files = TestFiles(step, targets)
        if files.plays("unobservable"):
            raise TargetUnobservable("injected")
        held = files.held(dict(_USUAL))
        if not held["exists"]:
            return GONE
        state = {name: held[name] for name in self.spec.pin_fields}
        return Observation(True, state, {"open": files.open()}, simulated=True)

    def settled(self, observation: Observation) -> Settled | None:
        # What it leads to depends on its parameters; `settled_from` has them.
        return None if self.spec.leads_to_from else super().settled(observation)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        if not observation.exists:
            return (Point(step.target.locator, True if _removes(step) else None),)
        open_ = tuple(str(text) for text in _list(observation.shown["open"]))
        tokens, old = _list(observation.state["tokens"]), step.parameters.get("token_id")
        closed = step.spec.retires and old not in tokens and not open_
        return (Point(step.target.locator, closed, open_),)

    def look_for(self, question: Question, step: Step, targets: Targets) -> Sighting:
        files = TestFiles(step, targets)
        if files.plays("unobservable"):
            raise TargetUnobservable("injected")
        seen, now = files.seen(), datetime.now(UTC)
        covers = seen.get("covers_since", instant.dump(question.since))
        consumers = seen.get("consumers", {})
        try:
            return Sighting.from_json(
                {
                    "condition": question.condition,
                    "step": step.index,
                    "at": instant.dump(now),
                    "alive_at": instant.dump(now) if seen.get("alive", True) else None,
                    "covers_since": covers,
                    "resolution_s": seen.get("resolution_s", 0),
                    "delay_s": seen.get("delay_s", 0),
                    "consumers": [
                        _seen(name, told) for name, told in consumers.items()
                    ] if isinstance(consumers, dict) else [],
                    "old_used_at": seen.get("old_used_at"),
                    "others": seen.get("others", []),
                    "why": seen.get("why", ""),
                }
            )  # fmt: skip
        except BadInput as error:
            raise TargetUnobservable(f"{step.target.locator}: {error}") from error

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        files = TestFiles(step, targets, clearance)
        files.wait("wait_before_apply")
        held = files.held(dict(_USUAL))
        if files.plays("fail_apply") or held["exists"] == self.spec.creates:
            raise NotApplied("injected, or the thing is there, or is not")
        made = _made(clearance, step)
        files.kill("kill_before_apply")
        files.call("apply", clearance)
        files.kill("kill_during_apply")
        files.save({"exists": not _removes(step), **self._left(held, step, made)})
        files.kill("kill_after_apply")
        files.wait("wait_after_apply")
        if files.plays("unknown_apply"):
            raise OutcomeUnknown("injected")
        if files.open():
            raise PartlyApplied(f"applied, but open: {files.open()}")
        return Outcome({"made": list(made)}, made=made)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        try:
            seen = self.observe(step, targets)
        except TargetUnobservable as error:
            raise VerifyFailed(error.detail) from error
        files = TestFiles(step, targets)
        if files.plays("fail_verify") or files.open() or seen.exists == _removes(step):
            raise VerifyFailed("injected, or something is open, or it is not there")
        # Each change leaves a state that it does not change again.
        if seen.exists and self._left(seen.state, step, _made(clearance, step)) != seen.state:
            raise VerifyFailed("the thing is not as the step leaves it")
        return Outcome(dict(seen.state), seen)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        files = TestFiles(step, targets, clearance)
        files.call("rollback", clearance)
        if files.plays("fail_rollback"):
            raise RollbackFailed("injected") from NotApplied("injected")
        files.save({**_USUAL, "exists": bool(snapshot), **snapshot})
        return Outcome(snapshot)

    def _left(
        self, state: Mapping[str, Json], step: Step, made: Mapping[str, str]
    ) -> dict[str, Json]:
        before = {name: value for name, value in state.items() if name in self.spec.pin_fields}
        return self.after(before, step.parameters, made)


class Make(Thing):
    """test.thing.make"""

    spec = test.MAKE


class Unmake(Thing):
    """test.thing.unmake"""

    spec = test.UNMAKE


class Retire(Thing):
    """test.thing.retire"""

    spec = test.RETIRE


class Restore(Thing):
    """test.thing.restore"""

    spec = test.RESTORE


class Rotate(Thing):
    """test.thing.rotate"""

    spec = test.ROTATE


class Announce(Thing):
    """test.thing.announce"""

    spec = test.ANNOUNCE


class Create(Thing):
    """test.thing.create"""

    spec = test.CREATE


class Remove(Thing):
    """test.thing.remove"""

    spec = test.REMOVE


def _made(clearance: Clearance, step: Step) -> dict[str, str]:
    """Return what the step makes: always the same for one plan, so a repetition makes no second."""
    if not step.spec.makes:
        return {}
    made = sha256(f"{clearance.plan_digest}/{step.index}".encode()).hexdigest()[:12]
    return {"token_id": f"tk-{made}"}


def _removes(step: Step) -> bool:
    return step.spec.kind == test.REMOVE.kind


def _seen(service: str, told: Json) -> Json:
    known = ConsumerSeen(service, Use.NOT_SEEN).to_json()
    return {**known, **told} if isinstance(told, dict) else told


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


DRIVER = Driver(
    test.PROVIDER.name,
    (Noop, Make, Unmake, Retire, Restore, Rotate, Announce, Create, Remove),
    read,
)
