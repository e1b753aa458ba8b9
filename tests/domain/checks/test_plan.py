"""Checks of the plan's order, of irreversible steps and of telemetry switched off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain.checks import (
    CheckInput,
    Outcome,
    containment_order,
    irreversible,
    telemetry_switched_off,
)
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan, Step
from tests.domain.checks.test_claims import KEY, OTHER, TARGET, claiming, event
from tests.domain.checks.test_targets import KEY_LOCATOR, made
from tests.domain.story import LOCATOR, a_check_input, a_plan
from tests.domain.thing_plans import make, parsed, retire, second, wait
from tests.every import every

OTHER_TARGET: dict[str, Json] = {**TARGET, "user": "bo", "access_key_id": OTHER}


def step(target: dict[str, Json], verb: str = "deactivate") -> Json:
    return {"action": f"aws.iam.{verb}_access_key", "target": target, "parameters": {}}


def plan(*steps: Json) -> Plan:
    return a_plan(steps=list(steps))


def of_steps(*steps: Json, records: tuple[dict[str, Any], ...] = ()) -> CheckInput:
    told = claiming("x", *(records or (event(),)))
    return replace(told, plan=plan(*steps))


# --- containment_order


def test_a_created_key_must_be_disabled_before_its_creator() -> None:
    right = of_steps(step(OTHER_TARGET), step(TARGET), records=(made(),))
    wrong = of_steps(step(TARGET), step(OTHER_TARGET), records=(made(),))
    assert containment_order(right)[0] is Outcome.PASS
    outcome, reason = containment_order(wrong)
    assert outcome is Outcome.FAIL
    assert f"step 1 takes {KEY} away before step 2" in reason


def test_keys_that_did_not_make_each_other_go_in_any_order() -> None:
    assert containment_order(of_steps(step(TARGET), step(OTHER_TARGET)))[0] is Outcome.PASS


def rotation(**shown: Any) -> CheckInput:
    """The user's new key on, the old one off."""
    new = {**TARGET, "access_key_id": OTHER}
    seen = Observation(True, {"status": "Active"}, shown, False)
    told = of_steps(step(new, "activate"), step(TARGET))
    return replace(told, observations={KEY_LOCATOR.replace(KEY, OTHER): seen})


def test_a_rotation_needs_a_use_of_the_new_key() -> None:
    outcome, reason = containment_order(rotation(last_used=None))
    assert outcome is Outcome.FAIL
    assert "nobody was seen using" in reason
    seen = rotation(last_used="2026-03-01T09:00:00+00:00")
    assert containment_order(seen)[0] is Outcome.PASS
    assert containment_order(replace(seen, observations={}))[0] is Outcome.FAIL


def test_restoring_access_of_the_diagnosed_identity_warns() -> None:
    assert containment_order(of_steps(step(TARGET, "activate")))[0] is Outcome.WARN
    assert containment_order(of_steps(step(OTHER_TARGET, "activate")))[0] is Outcome.PASS


def deleting(index: int, locator: dict[str, Json] = TARGET) -> Step:
    """A step of an action that the catalogue does not have yet."""
    (found,) = plan(step(locator)).steps
    return replace(found, index=index, action="aws.iam.delete_access_key", rollback=None)


@pytest.mark.parametrize(
    ("status", "outcome"), [("Active", Outcome.FAIL), ("Inactive", Outcome.PASS)]
)
def test_a_deletion_needs_an_earlier_disable(status: str, outcome: Outcome) -> None:
    told = of_steps(step(TARGET))
    seen = {KEY_LOCATOR: Observation(True, {"status": status}, {}, False)}
    told = replace(told, plan=replace(told.plan, steps=(deleting(0),)), observations=seen)
    assert containment_order(told)[0] is outcome


def test_deleting_comes_last() -> None:
    told = of_steps(step(TARGET), step(OTHER_TARGET))
    steps = (deleting(0), told.plan.steps[1])
    outcome, reason = containment_order(replace(told, plan=replace(told.plan, steps=steps)))
    assert (outcome, "removes before step 2 disables" in reason) == (Outcome.FAIL, True)


# --- the order of a rotation


def rotating(order: str, *steps: Json, records: tuple[dict[str, Any], ...]) -> CheckInput:
    """The evidence is about KEY, which the test action retires under that name in these tests."""
    told = claiming("x", *records)
    return replace(told, plan=parsed(second(*steps, order=order)))


MOVE = (make(wait=wait(person=True, within_s=7_200)), retire())
CUT = (retire(), make())


def test_what_an_intruder_uses_is_cut_first() -> None:
    outcome, reason = containment_order(rotating("move_first", *MOVE, records=(event(),)))
    assert outcome is Outcome.FAIL
    assert f"{KEY} is in use in the cited evidence (1 record, the last at 2026-03-01" in reason
    assert "7200 s" in reason and "cut_first" in reason
    cut = rotating("cut_first", *CUT, records=(event(),))
    assert containment_order(cut)[0] is Outcome.PASS


@every(
    "record",
    [
        event(errorCode="AccessDenied"),
        event(userIdentity={"type": "IAMUser", "accessKeyId": OTHER, "userName": "bo"}),
    ],
)
def test_without_a_use_it_is_moved_first(record: dict[str, Any]) -> None:
    assert containment_order(rotating("move_first", *MOVE, records=(record,)))[0] is Outcome.PASS
    outcome, reason = containment_order(rotating("cut_first", *CUT, records=(record,)))
    assert outcome is Outcome.WARN
    assert "move_first would spare them" in reason


def test_a_use_that_nobody_cites_is_no_reason() -> None:
    told = claiming("x", event(errorCode="AccessDenied"))
    told = replace(told, plan=parsed(second(*MOVE)))
    assert containment_order(told)[0] is Outcome.PASS


def test_a_plan_with_an_order_is_not_judged_as_if_it_had_none() -> None:
    """It waits, or cuts on purpose; so was refused or accepted when it was parsed."""
    steps = (step(TARGET), step({**TARGET, "access_key_id": OTHER}, "activate"))
    outcome, reason = containment_order(of_steps(*steps))
    assert outcome is Outcome.FAIL and "nobody was seen using" in reason


# --- irreversible


def test_an_irreversible_step_fails() -> None:
    assert irreversible(a_check_input())[0] is Outcome.PASS
    told = of_steps(step(TARGET))
    for broken in (deleting(0), replace(told.plan.steps[0], rollback=None)):
        outcome, reason = irreversible(replace(told, plan=replace(told.plan, steps=(broken,))))
        assert outcome is Outcome.FAIL
        assert "step 1" in reason and "cannot be undone" in reason


# --- telemetry_switched_off


def off(service: str, name: str, **changes: Any) -> dict[str, Any]:
    return event(name, eventSource=f"{service}.amazonaws.com", **changes)


@every(
    "record",
    [
        off("cloudtrail", "StopLogging", requestParameters={"name": "t"}),
        off("cloudtrail", "DeleteTrail"),
        off(
            "cloudtrail",
            "PutEventSelectors",
            requestParameters={"eventSelectors": [{"includeManagementEvents": False}]},
        ),
        off("ec2", "DeleteFlowLogs"),
        off("route53resolver", "DeleteResolverQueryLogConfig"),
        off("guardduty", "DeleteDetector"),
        off("guardduty", "UpdateDetector", requestParameters={"enable": False}),
        off("config", "StopConfigurationRecorder"),
        off("s3", "PutBucketLogging", requestParameters={"BucketLoggingStatus": {"xmlns": "x"}}),
        off("logs", "DeleteLogGroup"),
    ],
    ids=lambda record: str(record["eventName"]),
)
def test_logs_and_detectors_that_were_switched_off_fail(record: dict[str, Any]) -> None:
    outcome, reason = telemetry_switched_off(claiming("x", event(), record))
    assert outcome is Outcome.FAIL
    assert f"{record['eventName']} at 2026-03-01 10:00 UTC by {KEY}" in reason
    denied = {**record, "errorCode": "AccessDenied"}
    assert telemetry_switched_off(claiming("x", event(), denied))[0] is Outcome.PASS


@every(
    "record",
    [
        off("cloudtrail", "DescribeTrails"),
        off("cloudtrail", "StartLogging"),
        off("guardduty", "UpdateDetector", requestParameters={"enable": True}),
        off("s3", "PutBucketLogging", requestParameters={"x": {"LoggingEnabled": {}}}),
        off(
            "cloudtrail",
            "PutEventSelectors",
            requestParameters={"eventSelectors": [{"includeManagementEvents": True}]},
        ),
        off("inspector2", "DisableX"),
        off("example", "StopLogging"),
    ],
    ids=lambda record: f"{record['eventSource']} {record['eventName']}",
)
def test_other_calls_pass(record: dict[str, Any]) -> None:
    assert telemetry_switched_off(claiming("x", event(), record))[0] is Outcome.PASS


def test_a_trail_that_was_started_again_is_a_warning() -> None:
    stop = off("cloudtrail", "StopLogging", requestParameters={"name": "arn:aws:x:trail/main"})
    later: dict[str, Any] = {"eventTime": "2026-03-01T10:20:00Z"}
    again = off("cloudtrail", "StartLogging", requestParameters={"name": "main"}, **later)
    other = off("cloudtrail", "StartLogging", requestParameters={"name": "other"}, **later)
    failed = {**again, "errorCode": "TrailNotFoundException"}
    earlier = {**again, "eventTime": "2026-03-01T09:00:00Z"}
    assert telemetry_switched_off(claiming("x", stop, again))[0] is Outcome.WARN
    for record in (other, failed, earlier):
        assert telemetry_switched_off(claiming("x", stop, record))[0] is Outcome.FAIL


@every(
    ("statement", "outcome"),
    [
        ("alter system set log_statement = 'none'", Outcome.FAIL),
        ("ALTER ROLE app_orders SET pgaudit.log TO none", Outcome.FAIL),
        ("set log_min_messages = panic", Outcome.FAIL),
        ("alter system set logging_collector = off", Outcome.FAIL),
        ("alter system set log_statement = 'all'", Outcome.PASS),
        ("select log_statement from settings_of_apps where x = 0", Outcome.PASS),
        ("update orders set state = 'none'", Outcome.PASS),
    ],
)
def test_postgresql_log_settings_that_were_switched_off_fail(
    statement: str, outcome: Outcome
) -> None:
    line = {
        "user": "ada",
        "text": f"2026-03-01 10:00:00 UTC [7] LOG:  statement: {statement}",
        "message": f"statement: {statement}",
    }
    given_ = claiming("x", event(), line)
    assert telemetry_switched_off(given_)[0] is outcome


def test_a_quiet_proposal_passes() -> None:
    given_ = a_check_input()
    assert LOCATOR in {target.locator for target in given_.plan.targets}
    for check in (containment_order, irreversible, telemetry_switched_off):
        assert check(given_)[0] is Outcome.PASS
