"""A stopped trail records again; what is not the approved trail is left alone. moto, simulated."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from remediation.domain.errors import TargetUnobservable
from remediation.executors import aws_client, aws_trail
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.run import (
    run_apply,
    run_observe,
    run_prepare,
    run_rollback,
    run_verify,
)
from tests.executors import moto
from tests.executors.aws_trails import ELSEWHERE, REGION, TrailWorld
from tests.executors.contract import clearance

ACTION = "aws.trail.start_logging"
BASIC = {"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True, "DataResources": []}


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> TrailWorld:
    return TrailWorld(ACTION, tmp_path, simulator)


class Answers:
    """A client of CloudTrail, some of whose answers are played."""

    def __init__(self, client: Any, played: Mapping[str, Any]) -> None:
        self._client, self._played = client, played

    def __getattr__(self, name: str) -> Any:
        if name not in self._played:
            return getattr(self._client, name)
        return lambda **_: self._played[name]


def play(monkeypatch: pytest.MonkeyPatch, **played: Any) -> None:
    def client_of(*args: Any, **more: Any) -> Answers:
        return Answers(aws_client.client_of(*args, **more), played)

    monkeypatch.setattr(aws_trail, "client_of", client_of)


def described(world: TrailWorld, **other: Any) -> dict[str, Any]:
    [trail] = [
        each for each in world.admins.describe_trails()["trailList"] if each["Name"] == world.name
    ]
    return {**trail, **other}


def test_a_stopped_trail_records_again_and_nothing_stops_it(world: TrailWorld) -> None:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    assert seen.state["logging"] is False and seen.state["bucket"] == moto.BUCKET
    assert seen.state["multi_region"] and seen.state["log_file_validation"]
    assert seen.shown["stopped"] and seen.shown["organisation"] == ""
    before = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.records()
    run_verify(clearance(plan), plan.body, 0, targets)
    with pytest.raises(RollbackFailed, match="evidence off"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.records()
    again = run_apply(clearance(plan), plan.body, 0, targets, before)
    assert again.detail["changed"] is False and len(world.lines()) == 1


def test_a_trail_that_was_changed_since_the_decision_is_not_started(world: TrailWorld) -> None:
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    world.admins.put_event_selectors(TrailName=world.name, EventSelectors=[BASIC])
    with pytest.raises(NotApplied, match="selectors"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert not world.records() and not world.lines()
    now = run_observe(world.step, targets)
    assert "WriteOnly" in str(now.state["selectors"])


def test_a_shadow_of_another_region_is_refused(world: TrailWorld) -> None:
    world_of_shadow = {**world.target, "region": ELSEWHERE}
    plan, targets = world.plan(world_of_shadow), world.targets()
    with pytest.raises(TargetUnobservable, match=f"another region or account.*{REGION}"):
        run_observe(plan.steps[0], targets)
    with pytest.raises(NotApplied, match=f"another region or account.*{REGION}"):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert not world.records()


def test_the_own_trail_counts_before_a_shadow_of_its_name(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    shadow = described(world, TrailARN=world.arn.replace(REGION, ELSEWHERE))
    play(
        monkeypatch,
        describe_trails={"trailList": [shadow, described(world, IsOrganizationTrail=True)]},
    )
    seen = run_observe(world.step, world.targets())
    assert seen.state["trail_arn"] == world.arn and seen.shown["organisation"] == "yes"


def test_a_trail_of_another_account_is_refused(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = world.arn.replace(moto.ACCOUNT, moto.OTHER_ACCOUNT)
    trail = described(world, TrailARN=foreign, IsOrganizationTrail=True)
    play(
        monkeypatch,
        describe_trails={"trailList": [trail]},
        get_trail_status={"IsLogging": False},
        get_event_selectors={},
    )
    plan, targets = world.plan(), world.targets()
    with pytest.raises(TargetUnobservable, match="another region or account"):
        run_observe(world.step, targets)
    with pytest.raises(NotApplied, match="another region or account"):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert not world.records() and not world.lines()


def test_a_foreign_trail_that_records_does_not_confirm_the_step(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediation.executors.aws_policy_action.VERIFY_SECONDS", 0.0)
    foreign = described(world, TrailARN=world.arn.replace(REGION, ELSEWHERE))
    play(
        monkeypatch,
        describe_trails={"trailList": [foreign]},
        get_trail_status={"IsLogging": True},
        get_event_selectors={},
    )
    plan = world.plan()
    with pytest.raises(VerifyFailed, match="another region"):
        run_verify(clearance(plan), plan.body, 0, world.targets())


@pytest.mark.parametrize(
    "played",
    [
        {"get_trail_status": {}},
        {"get_event_selectors": {"EventSelectors": [BASIC] * 101}},
        {"get_event_selectors": {"AdvancedEventSelectors": [{"Name": "x" * 20_000}]}},
        {"describe_trails": {"trailList": [{"Name": "a", "TrailARN": "b"}] * 501}},
    ],
)
def test_a_strange_answer_is_no_observation(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch, played: dict[str, Any]
) -> None:
    play(monkeypatch, **played)
    with pytest.raises(TargetUnobservable):
        run_observe(world.step, world.targets())
    with pytest.raises(NotApplied):
        run_apply(clearance(world.plan()), world.plan().body, 0, world.targets())
    assert not world.records()


def test_an_error_of_the_delivery_is_shown(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, get_trail_status={"IsLogging": True, "LatestDeliveryError": "NoSuchBucket"})
    assert run_observe(world.step, world.targets()).shown["delivery_error"] == "NoSuchBucket"


def test_a_lost_answer_leaves_the_outcome_open_and_the_next_look_tells(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost:
        def start_logging(self, **arguments: str) -> None:
            world.admins.start_logging(**arguments)
            raise ConnectionResetError

    monkeypatch.setattr(aws_trail, "operating_client", lambda *_, **__: Lost())
    plan, targets = world.plan(), world.targets()
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert run_observe(world.step, targets).state["logging"] is True


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"IsMultiRegionTrail": False, "IncludeGlobalServiceEvents": False}, "global_services"),
        ({"S3BucketName": "elsewhere"}, "bucket"),
        ({"IsOrganizationTrail": True}, "organisation"),
        ({"CloudWatchLogsLogGroupArn": "arn:aws:logs:::log-group:other"}, "log_group"),
    ],
)
def test_a_trail_that_records_less_or_elsewhere_is_not_the_approved_one(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any], why: str
) -> None:
    """Made again under its name, or changed, since people decided; or behind the look."""
    monkeypatch.setattr("remediation.executors.aws_policy_action.VERIFY_SECONDS", 0.0)
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    play(monkeypatch, describe_trails={"trailList": [described(world, **changed)]})
    with pytest.raises(NotApplied, match=why):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert not world.records()
    world.admins.start_logging(Name=world.name)
    with pytest.raises(VerifyFailed, match=f"meanwhile.*{why}"):
        run_verify(clearance(plan), plan.body, 0, targets, before)


def test_what_a_trail_leaves_out_is_named(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = world.targets()
    assert run_observe(world.step, targets).shown["left_out"] == []
    trail = described(world, IsMultiRegionTrail=False, IncludeGlobalServiceEvents=False)
    kms = {**BASIC, "ExcludeManagementEventSources": ["kms.amazonaws.com"]}
    play(
        monkeypatch,
        describe_trails={"trailList": [trail]},
        get_event_selectors={"EventSelectors": [kms]},
    )
    assert run_observe(world.step, targets).shown["left_out"] == [
        "events of other regions",
        "events of services without a region, such as IAM and STS",
        "of kms.amazonaws.com",
        "read events",
    ]
