"""The declarations of all actions, and the shared parts of executors."""

from __future__ import annotations

import time

import pytest
from jsonschema import Draft202012Validator

from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.observation import Observation
from remediation.executors.base import GONE, Deadline, Executor, Settled
from remediation.executors.errors import NotApplied
from remediation.executors.registry import EXECUTORS
from tests.executors.contract import make_plan


@pytest.mark.parametrize("kind", ACTIONS)
def test_declarations_hold_together(kind: str) -> None:
    spec, executor = ACTIONS[kind], EXECUTORS[kind]
    assert executor.spec is spec
    Draft202012Validator.check_schema(dict(spec.parameters))
    assert spec.parameters["additionalProperties"] is False
    assert spec.reversible == (spec.rollback is not None)
    if spec.rollback is not None:
        assert EXECUTORS[spec.rollback].spec.target_kind == spec.target_kind
    assert bool(spec.pin_fields) != bool(spec.unpinned_reason)
    assert spec.hard_timeout_s > 0 and spec.propagation_s >= 0
    assert spec.ends_sessions and spec.cannot


def test_every_action_of_the_catalogue_has_its_executor() -> None:
    assert EXECUTORS.keys() == ACTIONS.keys()


def test_an_executor_that_lacks_a_part_cannot_be_made() -> None:
    class Half(Executor):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Half()  # type: ignore[abstract]


def test_a_deadline_runs_out_and_never_goes_below_nothing() -> None:
    assert 0 < Deadline.within(60).left <= 60
    assert not Deadline.within(60).passed
    past = Deadline(time.monotonic() - 5)
    assert past.passed and past.left == 0


@pytest.mark.parametrize("kind", [kind for kind, spec in ACTIONS.items() if not spec.creates])
def test_a31_no_executor_prepares_a_target_that_does_not_exist(kind: str) -> None:
    step = make_plan("test.noop", {"kind": "test.target", "name": "alpha"}, {}).steps[0]
    with pytest.raises(NotApplied, match="does not exist"):
        EXECUTORS[kind]().precheck(step, GONE)
    assert EXECUTORS[kind]().settled(GONE) is None


@pytest.mark.parametrize("kind", [kind for kind, spec in ACTIONS.items() if spec.creates])
def test_an_executor_that_makes_a_target_prepares_none_that_exists(kind: str) -> None:
    spec, executor = ACTIONS[kind], EXECUTORS[kind]()
    target = TARGETS[spec.target_kind]
    plan = make_plan(kind, {"kind": target.kind, **target.example}, dict(spec.example))
    (step,) = plan.steps
    there = Observation(True, dict.fromkeys(spec.pin_fields, ""), {}, simulated=False)
    with pytest.raises(NotApplied, match="already"):
        executor.precheck(step, there)
    executor.precheck(step, GONE)
    assert executor.settled_from(step, GONE, {}, {}) is Settled.NOT_APPLIED
