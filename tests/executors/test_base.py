"""The declarations of all actions, and the shared parts of executors."""

from __future__ import annotations

import time

import pytest
from jsonschema import Draft202012Validator

from remediation.domain.catalogue import ACTIONS, TARGETS
from remediation.domain.observation import Observation
from remediation.domain.store_place import version_name
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


def test_what_a_crash_left_staged_is_settled_by_every_action_that_delivers() -> None:
    delivering = [kind for kind, spec in ACTIONS.items() if spec.delivers]
    real = [kind for kind in delivering if not kind.startswith("test.")]
    assert real and [kind for kind in real if EXECUTORS[kind].tighten is Executor.tighten] == []


@pytest.mark.parametrize("kind", [kind for kind, spec in ACTIONS.items() if spec.delivers])
def test_a40_what_lies_in_another_version_is_not_this_steps(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a lost answer the target may show what an operator or an intruder made meanwhile."""
    ours, other = version_name("1" * 36, 0), version_name("0" * 36, 0)
    executor = EXECUTORS[kind]()
    for found, own in ((other, None), (ours, {"version": ours})):
        monkeypatch.setattr(executor, "found_made", lambda *_, found=found: {"version": found})
        executor.version = ours
        assert executor.own_made(GONE, {}) == own
        executor.version = ""
        assert executor.own_made(GONE, {}) is None


def test_a40_what_servers_show_is_never_taken_for_the_certificate_of_a_step() -> None:
    plan = make_plan("tls.certificate.issue", {"kind": "tls.certificate", **{"certificate": "o"}},
                     {"store": "files:orders/tls"})  # fmt: skip
    (step,) = plan.steps
    before = {"serial": "aa" * 10, "public_key": "1" * 64}
    strange = {"serial": "bb" * 10, "public_key": "2" * 64}
    executor = EXECUTORS[step.action]()
    executor.version = version_name("1" * 36, 0)
    for promoted in (version_name("0" * 36, 0), executor.version):
        seen = Observation(True, strange, {"promoted": promoted}, simulated=False)
        assert executor.own_made(seen, before) is None
        assert executor.settled_from(step, seen, before, {}) is not Settled.APPLIED
