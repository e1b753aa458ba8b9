"""A trail gets the selectors that people saw, and nothing else. moto, simulated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from remediation.executors import aws_left_out, aws_selectors
from remediation.executors.errors import NotApplied, OutcomeUnknown, RollbackFailed, VerifyFailed
from remediation.executors.run import run_apply, run_observe, run_prepare, run_rollback, run_verify
from tests.executors import moto
from tests.executors.aws_trails import NARROWED, TrailWorld
from tests.executors.contract import clearance, make_plan

ACTION = "aws.trail.restore_selectors"
ALL = '{"IncludeManagementEvents":true,"ReadWriteType":"All"}'
NONE = '{"IncludeManagementEvents":false,"ReadWriteType":"All"}'
WRITES = '{"IncludeManagementEvents":true,"ReadWriteType":"WriteOnly"}'
EVENTS = {"Field": "eventCategory", "Equals": ["Management"]}
ADVANCED = {"Name": "all", "FieldSelectors": [EVENTS]}
ADVANCED_TEXT = json.dumps(ADVANCED, sort_keys=True, separators=(",", ":"))
DATA_TEXT = ADVANCED_TEXT.replace("Management", "Data")


@pytest.fixture
def world(simulator: moto.Moto, tmp_path: Path) -> TrailWorld:
    return TrailWorld(ACTION, tmp_path, simulator)


def named(world: TrailWorld, *selectors: str) -> Any:
    return make_plan(ACTION, world.target, {"earlier_selectors": [*selectors]})


def test_selectors_are_as_before_and_nothing_narrows_them_again(world: TrailWorld) -> None:
    plan, targets = world.plan(), world.targets()
    seen = run_observe(world.step, targets)
    assert seen.state["selectors"] == [
        '{"IncludeManagementEvents":true,"ReadWriteType":"ReadOnly"}'
    ]
    before = run_prepare(clearance(plan), plan.body, 0, targets, seen)
    run_apply(clearance(plan), plan.body, 0, targets, before)
    run_verify(clearance(plan), plan.body, 0, targets)
    assert world.selectors()[0] == [json.loads(ALL)] and not world.records()
    with pytest.raises(RollbackFailed, match="evidence off"):
        run_rollback(clearance(plan, rollback=True), plan.body, 0, targets, before)
    assert world.selectors()[0] == [json.loads(ALL)]
    again = run_apply(clearance(plan), plan.body, 0, targets, before)
    assert again.detail["changed"] is False
    assert [each["call"] for each in world.lines()] == ["cloudtrail:PutEventSelectors"]


def test_advanced_selectors_are_restored_as_advanced_ones(world: TrailWorld) -> None:
    other = {"Name": "few", "FieldSelectors": [EVENTS, {"Field": "readOnly", "Equals": ["true"]}]}
    world.admins.put_event_selectors(TrailName=world.name, AdvancedEventSelectors=[other])
    plan, targets = named(world, DATA_TEXT), world.targets()
    with pytest.raises(NotApplied, match="no management events"):
        run_apply(clearance(plan), plan.body, 0, targets)
    plan = named(world, ADVANCED_TEXT)
    run_apply(clearance(plan), plan.body, 0, targets)
    run_verify(clearance(plan), plan.body, 0, targets)
    assert world.selectors()[1] == [ADVANCED]


@pytest.mark.parametrize(
    ("selectors", "why"),
    [
        ((ADVANCED_TEXT,), "people change the form"),
        ((ADVANCED_TEXT, ALL), "two forms"),
        ((NONE,), "no management events"),
        ((DATA_TEXT,), "people change the form"),
        ((WRITES, ALL), "not written"),
        ((ALL.replace(":", ": "),), "not written"),
        (("[]",), "not written"),
        (("{{",), "not written"),
        (('{"FieldSelectors":7}',), "people change the form"),
        (("[" * 9_000,), "not written"),
    ],
)
def test_selectors_of_another_form_or_with_less_are_refused(
    world: TrailWorld, selectors: tuple[str, ...], why: str
) -> None:
    plan = named(world, *selectors)
    with pytest.raises(NotApplied, match=why):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.selectors()[0] == [NARROWED] and not world.lines()


def test_a_trail_that_was_changed_otherwise_since_is_left_alone(world: TrailWorld) -> None:
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    world.admins.update_trail(Name=world.name, S3KeyPrefix="elsewhere")
    with pytest.raises(NotApplied, match="bucket_prefix"):
        run_apply(clearance(plan), plan.body, 0, targets, before)
    assert world.selectors()[0] == [NARROWED] and not world.lines()


def test_a_lost_answer_leaves_the_outcome_open_and_the_next_look_tells(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lost:
        def put_event_selectors(self, **arguments: Any) -> None:
            world.admins.put_event_selectors(**arguments)
            raise ConnectionResetError

    monkeypatch.setattr(aws_selectors, "operating_client", lambda *_, **__: Lost())
    plan, targets = world.plan(), world.targets()
    with pytest.raises(OutcomeUnknown):
        run_apply(clearance(plan), plan.body, 0, targets)
    assert run_observe(world.step, targets).state["selectors"] == [ALL]


def advanced(*conditions: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"FieldSelectors": [EVENTS, *conditions], **more}


NO_KMS = {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com", "rdsdata.amazonaws.com"]}
NO_ACTOR = {"Field": "userIdentity.arn", "NotStartsWith": ["arn:aws:iam::1:user/thief"]}
ONE_ACTOR = {"Field": "userIdentity.arn", "Equals": ["arn:aws:iam::1:user/admin"]}
READS = {"Field": "readOnly", "Equals": ["true"]}
WRITE_EVENTS = {"Field": "readOnly", "Equals": ["false"]}


@pytest.mark.parametrize(
    ("selectors", "left"),
    [
        ([], []),
        ([{"IncludeManagementEvents": True, "ReadWriteType": "All"}], []),
        ([{"IncludeManagementEvents": False, "ReadWriteType": "All"}], ["all of them"]),
        ([advanced(READS)], ["write events"]),
        ([advanced(NO_KMS)], ["of kms.amazonaws.com", "of rdsdata.amazonaws.com"]),
        ([advanced(NO_ACTOR)], ["userIdentity.arn: starts with arn:aws:iam::1:user/thief"]),
        ([advanced(ONE_ACTOR)], ["userIdentity.arn: all but Equals arn:aws:iam::1:user/admin"]),
        ([advanced(READS), advanced(WRITE_EVENTS)], []),
        ([advanced(READS, NO_KMS), advanced(WRITE_EVENTS, NO_KMS)], None),
        ([advanced(NO_KMS), advanced()], []),
        # All reads by one, and the writes of all but KMS by the other.
        (
            [advanced(READS), advanced(WRITE_EVENTS, NO_KMS)],
            ["write events: of kms.amazonaws.com", "write events: of rdsdata.amazonaws.com"],
        ),
        ([advanced(READS, WRITE_EVENTS)], ["all of them"]),
        ([advanced({"Field": "eventCategory", "NotEquals": ["Management"]})], ["all of them"]),
        ([advanced({"Field": "readOnly", "Equals": [7]})], ["readOnly: all but Equals 7"]),
        ([{"FieldSelectors": 7}], ["all of them"]),
        (
            [advanced({"Field": {}, "NotEquals": 7, "Equals": None})],
            ['"{}": 7', '"{}": all but Equals '],
        ),
        ([{**json.loads(ALL), "ExcludeManagementEventSources": {}}], ['of "{}"']),
        ([{**json.loads(ALL), "ReadWriteType": []}], []),
        ([{"FieldSelectors": [EVENTS, 7]}], ["all of them"]),
    ],
)
def test_what_selectors_leave_out_is_said(
    selectors: list[dict[str, Any]], left: list[str] | None
) -> None:
    found = aws_left_out.left_out(selectors)
    if left is None:
        left = ["of kms.amazonaws.com", "of rdsdata.amazonaws.com"]
    assert found == left


@pytest.mark.parametrize("condition", [NO_KMS, NO_ACTOR, ONE_ACTOR, READS])
def test_a_restore_is_no_way_to_record_less(world: TrailWorld, condition: dict[str, Any]) -> None:
    world.admins.put_event_selectors(TrailName=world.name, AdvancedEventSelectors=[ADVANCED])
    plan = named(world, json.dumps(advanced(condition), sort_keys=True, separators=(",", ":")))
    with pytest.raises(
        NotApplied, match=r"only less than now|no management events any more: write"
    ):
        run_apply(clearance(plan), plan.body, 0, world.targets())
    assert world.selectors()[1] == [ADVANCED] and not world.lines()


def test_the_usual_exclusions_can_be_restored(world: TrailWorld) -> None:
    few = advanced(READS, Name="few")
    world.admins.put_event_selectors(TrailName=world.name, AdvancedEventSelectors=[few])
    plan = named(world, json.dumps(advanced(NO_KMS), sort_keys=True, separators=(",", ":")))
    run_apply(clearance(plan), plan.body, 0, world.targets())
    seen = run_observe(plan.steps[0], world.targets())
    assert seen.shown["lost_events"] == []
    assert seen.shown["left_out"] == ["of kms.amazonaws.com", "of rdsdata.amazonaws.com"]


def test_selectors_that_go_to_a_changed_trail_do_not_confirm(
    world: TrailWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remediation.executors.aws_policy_action.VERIFY_SECONDS", 0.0)
    plan, targets = world.plan(), world.targets()
    before = run_prepare(clearance(plan), plan.body, 0, targets, run_observe(world.step, targets))
    run_apply(clearance(plan), plan.body, 0, targets, before)
    world.admins.update_trail(Name=world.name, S3KeyPrefix="elsewhere")
    with pytest.raises(VerifyFailed, match=r"meanwhile.*bucket_prefix"):
        run_verify(clearance(plan), plan.body, 0, targets, before)
