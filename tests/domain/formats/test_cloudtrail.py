"""CloudTrail in each of its wrappings gives the same record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain.formats import nested
from remediation.domain.formats.record import Event, Records

ROLE = "arn:aws:iam::111122223333:role/deploy"
SESSION = "arn:aws:sts::111122223333:assumed-role/deploy/eve"
CALL: dict[str, Any] = {
    "eventVersion": "1.08",
    "userIdentity": {
        "type": "AssumedRole",
        "principalId": "AROAEXAMPLE:eve",
        "arn": SESSION,
        "accountId": "111122223333",
        "accessKeyId": "ASIAEXAMPLE",
        "sessionContext": {"sessionIssuer": {"type": "Role", "arn": ROLE, "userName": "deploy"}},
    },
    "eventTime": "2026-11-30T12:00:00Z",
    "eventSource": "iam.amazonaws.com",
    "eventName": "CreateAccessKey",
    "awsRegion": "us-east-1",
    "sourceIPAddress": "203.0.113.9",
    "requestParameters": {"userName": "backup"},
    "responseElements": {"accessKey": {"accessKeyId": "AKIAMADE", "userName": "backup"}},
    "recipientAccountId": "111122223333",
}
ELASTIC: dict[str, Any] = {
    "@timestamp": "2026-11-30T12:00:00.000Z",
    "event": {"action": "CreateAccessKey", "outcome": "success", "provider": "iam.amazonaws.com"},
    "source": {"ip": "203.0.113.9"},
    "cloud": {"account": {"id": "111122223333"}, "region": "us-east-1"},
    "aws": {
        "cloudtrail": {
            "user_identity": {
                "access_key_id": "ASIAEXAMPLE",
                "arn": SESSION,
                "session_context": {"session_issuer": {"arn": ROLE}},
            },
            "request_parameters": "{userName=backup}",
            "flattened": {"response_elements": {"accessKey": {"accessKeyId": "AKIAMADE"}}},
        }
    },
}
TEXT = json.dumps(CALL)
WRAPPED: dict[str, tuple[str, Json]] = {
    "event": ("", CALL),
    "file": ("/Records/0", {"Records": [CALL]}),
    "EventBridge": ("/detail", {"source": "aws.iam", "detail": CALL}),
    "LookupEvents": (
        "/Events/0",
        {"Events": [{"EventName": "CreateAccessKey", "CloudTrailEvent": TEXT}]},
    ),
    "CloudWatch Logs": (
        "/logEvents/0",
        {"logEvents": [{"id": "1", "timestamp": 1, "message": TEXT}]},
    ),
    "SNS": ("/detail", {"Type": "Notification", "Message": json.dumps({"detail": CALL})}),
    "Elastic": ("/0", [ELASTIC]),
    "Elastic, only the original": ("/event", {"event": {"original": TEXT}}),
}


def record_of(document: Json) -> Event:
    (record,) = Records.of("0" * 64, document).found.values()
    return record


@pytest.mark.parametrize("wrapping", WRAPPED)
def test_each_wrapping_gives_the_same_record(wrapping: str) -> None:
    pointer, document = WRAPPED[wrapping]
    record = record_of(document)
    assert record.pointer == pointer
    assert (record.name, record.service, record.region) == ("CreateAccessKey", "iam", "us-east-1")
    assert (record.actor, record.issuer, record.session) == ("ASIAEXAMPLE", ROLE, "eve")
    assert (record.objects, record.obtained) == (("backup",), ("AKIAMADE",))
    assert (record.address, record.account, record.error) == ("203.0.113.9", "111122223333", "")
    assert record.time is not None and record.acts


def test_a_refused_call_obtained_nothing() -> None:
    assert record_of({**CALL, "errorCode": "AccessDenied"}).obtained == ()
    denied: Any = json.loads(json.dumps(ELASTIC))
    denied["event"]["outcome"] = "failure"
    assert (record_of(denied).error, record_of(denied).obtained) == ("the call failed", ())


def test_elastic_names_can_have_dots() -> None:
    record = record_of(
        {
            "event.action": "StopLogging",
            "event.provider": "cloudtrail.amazonaws.com",
            "aws.cloudtrail.user_identity.access_key_id": "ASIAEXAMPLE",
        }
    )
    assert (record.name, record.service, record.key) == (
        "StopLogging",
        "cloudtrail",
        "ASIAEXAMPLE",
    )


def test_each_event_in_a_text_has_a_place() -> None:
    document: Json = {"Message": json.dumps([CALL, CALL])}
    assert list(Records.of("0" * 64, document).found) == ["/Message/0", "/Message/1"]


def test_text_in_text_is_read_to_a_bound() -> None:
    document: dict[str, Json] = CALL
    for _ in range(nested.LEVELS):
        document = {"message": json.dumps(document)}
    assert len(Records.of("0" * 64, document).found) == 1
    assert Records.of("0" * 64, {"message": json.dumps(document)}).found == {}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"eventName": "a", "x": NaN}',
        '{"eventName": ' + "9" * 5000 + "}",
        json.dumps({**CALL, "more": "x" * nested.LONGEST}),
        '{"eventName": "a", "eventName": "b"}',
        "{",
        "",
    ],
    ids=["deep", "not a number", "long number", "long", "twice", "half", "empty"],
)
def test_hostile_text_is_no_record_and_hides_none(text: str) -> None:
    assert Records.of("0" * 64, {"CloudTrailEvent": text}).found == {}
    beside: dict[str, Json] = {**CALL, "CloudTrailEvent": text}
    assert record_of(beside).name == "CreateAccessKey"


@pytest.mark.parametrize("text", ["{}", "[]", '{"eventName": 7}'])
def test_a_text_without_an_event_hides_no_call(text: str) -> None:
    assert record_of({**CALL, "CloudTrailEvent": text}).name == "CreateAccessKey"


def test_no_record_hides_another_of_the_same_place() -> None:
    other = {**CALL, "eventName": "StopLogging"}
    said: dict[str, Json] = {"message": json.dumps(CALL), "original": json.dumps(other)}
    inside: dict[str, Json] = {"a": CALL, "message": json.dumps({"a": other})}
    for document in (said, inside):
        found = Records.of("0" * 64, document).found.values()
        assert {record.name for record in found} == {"CreateAccessKey", "StopLogging"}
