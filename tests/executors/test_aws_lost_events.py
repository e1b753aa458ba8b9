"""What a trail records now and would not after a restore is refused, or shown. moto, simulated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from remediation.domain.limits import limits
from remediation.domain.observation import Observation
from remediation.executors import aws_left_out, aws_selectors
from remediation.executors.aws_lost_events import lost, lost_half
from remediation.executors.errors import NotApplied
from remediation.executors.run import run_apply, run_observe, run_prepare
from remediation.services.assessment import observe as observing
from tests.executors import moto
from tests.executors.aws_trails import TrailWorld
from tests.executors.contract import clearance, make_plan
from tests.executors.test_aws_selectors import (
    ACTION,
    ADVANCED,
    NO_KMS,
    ONE_ACTOR,
    READS,
    WRITE_EVENTS,
    advanced,
)

KMS = {"Field": "eventSource", "Equals": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]}
DATA = {"Field": "eventCategory", "Equals": ["Data"]}
OBJECTS = {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}


def arn(name: str, *values: str) -> dict[str, Any]:
    return {"Field": "resources.ARN", name: [*values]}


def data(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"FieldSelectors": [DATA, OBJECTS, *conditions]}


def basic(kind: str, *values: str, of: str = "AWS::S3::Object", **more: Any) -> dict[str, Any]:
    resources = [{"Type": of, "Values": [*values]}] if values else []
    return {
        "ReadWriteType": kind,
        "IncludeManagementEvents": True,
        "DataResources": resources,
        **more,
    }


def text(selector: dict[str, Any]) -> str:
    return json.dumps(selector, sort_keys=True, separators=(",", ":"))


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> TrailWorld:
    return TrailWorld(ACTION, tmp_path, simulator)


def test_each_dimension_of_what_is_recorded_now_is_compared() -> None:
    mine, all_mine = "arn:aws:s3:::mine/", "arn:aws:s3"
    cases: list[tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]] = [
        ([basic("All")], [basic("All")], []),
        ([], [basic("ReadOnly")], ["management events: write events"]),
        ([basic("All")], [basic("All", IncludeManagementEvents=False)], ["all management events"]),
        (
            [basic("All")],
            [basic("All", ExcludeManagementEventSources=["kms.amazonaws.com"])],
            ["management events: of kms.amazonaws.com"],
        ),
        (
            [basic("All", mine)],
            [basic("All")],
            [f"Data AWS::S3::Object events with ARN StartsWith {mine}"],
        ),
        (
            [basic("All", mine)],
            [basic("All"), basic("ReadOnly", mine)],
            [f"Data AWS::S3::Object events with ARN StartsWith {mine} (write events)"],
        ),
        ([basic("All", mine)], [basic("All", all_mine)], []),
        ([basic("All", mine)], [basic("WriteOnly", all_mine), basic("ReadOnly", mine)], []),
        # The name of one function begins that of another, and does not mean it.
        (
            [basic("All", "arn:aws:lambda:r:1:function:ab", of="AWS::Lambda::Function")],
            [basic("All", "arn:aws:lambda:r:1:function:a", of="AWS::Lambda::Function")],
            ["Data AWS::Lambda::Function events with ARN Equals arn:aws:lambda:r:1:function:ab"],
        ),
        ([advanced(), data(arn("StartsWith", mine))], [advanced(), data()], []),
        (
            [advanced(), data()],
            [advanced(), data(arn("NotStartsWith", mine))],
            ["Data events with resources.type Equals AWS::S3::Object"],
        ),
        ([data(arn("Equals", f"{mine}a"))], [data(arn("StartsWith", mine))], []),
        ([data(arn("NotEquals", "a", "b"))], [data(arn("NotEquals", "a"))], []),
        # An intruder's way: everything by one selector or the other, but KMS only by one person.
        (
            [advanced()],
            [advanced(NO_KMS), advanced(KMS, ONE_ACTOR)],
            [
                "management events: eventSource: all but Equals kms.amazonaws.com,"
                " rdsdata.amazonaws.com or userIdentity.arn: all but Equals"
                " arn:aws:iam::1:user/admin, and at once of kms.amazonaws.com or of"
                " rdsdata.amazonaws.com"
            ],
        ),
    ]
    for now, afterwards, gone in cases:
        assert lost(now, afterwards) == gone, (now, afterwards)


def test_what_each_of_two_selectors_leaves_out_otherwise_is_said() -> None:
    [said] = aws_left_out.left_out([advanced(NO_KMS), advanced(KMS, ONE_ACTOR)])
    assert "and at once of kms.amazonaws.com or of rdsdata.amazonaws.com" in str(said)
    # A selector that takes a part of what another one takes adds nothing, and leaves nothing out.
    assert aws_left_out.left_out([advanced(NO_KMS), advanced(NO_KMS, ONE_ACTOR)]) == [
        "of kms.amazonaws.com",
        "of rdsdata.amazonaws.com",
    ]
    one = {"Field": "userIdentity.arn", "Equals": ["a, b"]}
    two = {"Field": "userIdentity.arn", "Equals": ["a", "b"]}
    assert aws_left_out.left_out([advanced(one)]) != aws_left_out.left_out([advanced(two)])


def test_to_gain_kms_events_is_no_way_to_lose_all_writes(world: TrailWorld) -> None:
    held = advanced(NO_KMS, Name="usual")
    world.admins.put_event_selectors(TrailName=world.name, AdvancedEventSelectors=[held])
    plan = make_plan(ACTION, world.target, {"earlier_selectors": [text(advanced(READS))]})
    with pytest.raises(NotApplied, match="no management events any more: write events"):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.selectors()[1] == [held] and not world.lines()
    assert lost_half([advanced()], [advanced(WRITE_EVENTS)]) == "read events"


def test_what_a_restore_no_longer_records_is_shown_to_people(world: TrailWorld) -> None:
    held = [advanced(READS), data()]
    world.admins.put_event_selectors(TrailName=world.name, AdvancedEventSelectors=held)
    plan = make_plan(ACTION, world.target, {"earlier_selectors": [text(advanced())]})
    [step] = plan.steps
    seen = run_observe(step, world.targets())
    assert seen.shown["lost_events"] == ["Data events with resources.type Equals AWS::S3::Object"]
    said = [one.fill(one.sentence) for one in limits(step, seen)]
    assert any("no longer records" in one and "AWS::S3::Object" in one for one in said)


def test_what_is_recorded_since_people_decided_is_not_lost_unseen(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put(*selectors: dict[str, Any]) -> None:
        world.admins.put_event_selectors(TrailName=world.name, AdvancedEventSelectors=[*selectors])

    put(advanced(READS))
    plan, targets = (
        make_plan(ACTION, world.target, {"earlier_selectors": [text(ADVANCED)]}),
        world.targets(),
    )
    seen = run_observe(plan.steps[0], targets)
    before = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    put(advanced(READS), data())
    with pytest.raises(NotApplied, match="records more than when people decided: Data events"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert not world.lines()
    # Control: without the guard the data events are gone.
    monkeypatch.setattr(aws_selectors.RestoreSelectors, "_refuse_more_lost", lambda *_: None)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.selectors()[1] == [ADVANCED]


def test_another_step_on_the_trail_does_not_hide_what_is_lost(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both actions pin the same fields: one look was taken for both, and showed nothing lost."""
    held = [advanced(READS), data()]
    world.admins.put_event_selectors(TrailName=world.name, AdvancedEventSelectors=held)
    start = make_plan("aws.trail.start_logging", world.target, {}).steps[0]
    restore, other = (
        make_plan(ACTION, world.target, {"earlier_selectors": [text(one)]}).steps[0]
        for one in (advanced(), advanced(NO_KMS))
    )
    looks: list[object] = []

    def look(step: Any, targets: Any) -> Observation:
        looks.append(step)
        return run_observe(step, targets)

    locator = start.target.locator
    monkeypatch.setattr(observing, "run_observe", look)
    monkeypatch.setattr(observing, "_known", lambda _: {locator})
    monkeypatch.setattr(observing.host_files, "targets", world.targets)
    seen = observing.observe([start, restore, restore, start]).observations[locator]
    assert seen is not None and len(looks) == 2
    assert seen.shown["lost_events"] == ["Data events with resources.type Equals AWS::S3::Object"]
    both = observing.observe([restore, other]).observations[locator]
    assert both is not None and isinstance(both.shown["lost_events"], list)
    assert "management events: of kms.amazonaws.com" not in seen.shown["lost_events"]
    assert any("of kms" in str(one) for one in both.shown["lost_events"])
