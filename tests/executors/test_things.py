"""Test things make, deliver, retire and lose tokens, and show what a test says of consumers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.conditions import Use
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Plan
from remediation.executors.base import Question, Settled
from remediation.executors.errors import NotApplied, OutcomeUnknown, VerifyFailed
from remediation.executors.run import (
    executor_of,
    run_apply,
    run_look_for,
    run_observe,
    run_prepare,
    run_rollback,
    run_verify,
)
from remediation.executors.targets import Targets
from tests.domain.thing_plans import OLD, made, make, parsed, retire, rotate, second, thing
from tests.executors.contract import NoopWorld, clearance

SINCE = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.fixture
def world(tmp_path: Path) -> NoopWorld:
    return NoopWorld(tmp_path)


def playing(world: NoopWorld, failure: str) -> Targets:
    path = world.directory / "playing.toml"
    path.write_text(f"{world.toml()}[test.inject.one]\n{failure}\n", encoding="utf-8")
    return Targets.load(path, portal_system_identifier=None)


def apply(world: NoopWorld, plan: Plan, index: int = 0, **so_far: Any) -> dict[str, str]:
    made_ = so_far.get("made", {})
    outcome = run_apply(clearance(plan, step=index), plan.body, index, world.targets(), made=made_)
    now = {**made_, index: outcome.made}
    run_verify(clearance(plan, step=index), plan.body, index, world.targets(), made=now)
    return dict(outcome.made)


def state(world: NoopWorld, plan: Plan, index: int = 0) -> Any:
    return dict(run_observe(plan.steps[index], world.targets()).state)


def test_a_rotation_leaves_what_the_catalogue_says(world: NoopWorld) -> None:
    plan = parsed(second(retire(), make(), thing("announce", token_id=made(1)), order="cut_first"))
    before = state(world, plan)
    assert before == {"announced": "", "off": [], "tokens": [OLD]}
    apply(world, plan)
    token = apply(world, plan, 1)["token_id"]
    apply(world, plan, 2, made={1: {"token_id": token}})
    assert state(world, plan) == {"announced": token, "off": [OLD], "tokens": [token]}
    assert [line["call"] for line in world.calls()] == ["apply"] * 3


def test_making_again_makes_no_second_token(world: NoopWorld) -> None:
    plan = parsed(second(make()))
    assert apply(world, plan) == apply(world, plan)
    assert len(state(world, plan)["tokens"]) == 2
    other = parsed(second(make(), environment="staging"))
    assert apply(world, other) != apply(world, plan)


def test_after_a_lost_answer_the_target_tells_what_was_made(world: NoopWorld) -> None:
    plan = parsed(second(make()))
    before = run_observe(plan.steps[0], world.targets())
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan), plan.body, 0, playing(world, "unknown_apply = true"))
    seen = run_observe(plan.steps[0], world.targets())
    executor = executor_of(plan.steps[0])
    assert executor.settled_from(plan.steps[0], seen, before.state, {}) is Settled.APPLIED
    (token,) = set(seen.state["tokens"]) - {OLD}  # type: ignore[arg-type]
    assert executor.found_made(seen, before.state) == {"token_id": token}
    untouched = executor.settled_from(plan.steps[0], before, before.state, {})
    assert untouched is Settled.NOT_APPLIED


def test_one_slot_is_rotated(world: NoopWorld) -> None:
    plan = parsed(second(rotate(), order="cut_first"))
    token = apply(world, plan)["token_id"]
    assert state(world, plan) == {"announced": "", "off": [OLD], "tokens": [token]}
    (point,) = executor_of(plan.steps[0]).points(
        plan.steps[0], run_observe(plan.steps[0], world.targets())
    )
    assert point.without_access is True


def test_a_thing_is_created_once_and_undone(world: NoopWorld) -> None:
    plan = parsed(second(thing("create"), order="none"))
    with pytest.raises(NotApplied):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    (world.states / "one.json").write_text(json.dumps({"exists": False}))
    seen = run_observe(plan.steps[0], world.targets())
    assert not seen.exists
    snapshot = run_prepare(clearance(plan), plan.body, 0, world.targets(), seen)
    apply(world, plan)
    assert state(world, plan) == {"announced": "", "off": [], "tokens": []}
    undo = clearance(plan, rollback=True)
    run_rollback(undo, plan.body, 0, world.targets(), snapshot)
    assert not run_observe(plan.steps[0], world.targets()).exists


def test_undoing_restores_the_tokens(world: NoopWorld) -> None:
    plan = parsed(second(make()))
    seen = run_observe(plan.steps[0], world.targets())
    snapshot = run_prepare(clearance(plan), plan.body, 0, world.targets(), seen)
    apply(world, plan)
    run_rollback(clearance(plan, rollback=True), plan.body, 0, world.targets(), snapshot)
    assert run_observe(plan.steps[0], world.targets()).state == seen.state


def test_what_is_not_there_is_not_confirmed(world: NoopWorld) -> None:
    plan = parsed(second(make()))
    with pytest.raises(VerifyFailed):
        run_verify(clearance(plan), plan.body, 0, world.targets())
    apply(world, plan)
    with pytest.raises(VerifyFailed):
        run_verify(clearance(plan), plan.body, 0, playing(world, "fail_verify = true"))


def question(condition: str = "consumers_moved") -> Question:
    return Question(condition, SINCE, {}, {}, ())


def test_a_look_shows_what_the_file_says(world: NoopWorld) -> None:
    plan = parsed(second(make()))
    seen = run_look_for(question(), plan.steps[0], world.targets())
    assert (seen.condition, seen.step, seen.consumers) == ("consumers_moved", 0, ())
    assert seen.alive_at == seen.at and seen.covers_since == SINCE
    told: dict[str, Json] = {
        "alive": False,
        "consumers": {"shop": {"use": "moved", "last_new": instant.dump(SINCE)}, "b": {}},
        "old_used_at": instant.dump(SINCE + timedelta(seconds=1)),
    }
    (world.states / "one.seen.json").write_text(json.dumps(told))
    seen = run_look_for(question("old_quiet"), plan.steps[0], world.targets())
    assert [(one.service, one.use) for one in seen.consumers] == [
        ("shop", Use.MOVED), ("b", Use.NOT_SEEN)
    ]  # fmt: skip
    assert (seen.alive_at, seen.old_used_at) == (None, SINCE + timedelta(seconds=1))


@pytest.mark.parametrize("told", ["{", '{"consumers": {"a": {"use": "x"}}}', '{"why": 1}'])
def test_a_look_at_nonsense_sees_nothing(world: NoopWorld, told: str) -> None:
    plan = parsed(second(make()))
    (world.states / "one.seen.json").write_text(told)
    with pytest.raises(TargetUnobservable):
        run_look_for(question(), plan.steps[0], world.targets())
    (world.states / "one.seen.json").unlink()
    with pytest.raises(TargetUnobservable):
        run_look_for(question(), plan.steps[0], playing(world, "unobservable = true"))
