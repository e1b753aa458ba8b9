"""Findings of GuardDuty, Security Hub and OCSF give records, and say when they are samples."""

from __future__ import annotations

from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.formats.record import Event, Records

GUARDDUTY: dict[str, Any] = {
    "SchemaVersion": "2.0",
    "AccountId": "111122223333",
    "Region": "us-east-1",
    "Type": "Discovery:IAMUser/AnomalousBehavior",
    "Resource": {"AccessKeyDetails": {"AccessKeyId": "AKIAEXAMPLE", "UserName": "eve"}},
    "Service": {
        "Action": {
            "AwsApiCallAction": {
                "Api": "ListBuckets",
                "ServiceName": "s3.amazonaws.com",
                "ErrorCode": "AccessDenied",
                "RemoteIpDetails": {"IpAddressV4": "203.0.113.9"},
                "AffectedResources": {"AWS::S3::Bucket": "billing"},
            }
        },
        "EventLastSeen": "2026-11-30T12:10:00Z",
        "Archived": False,
    },
}
ASFF: dict[str, Any] = {
    "AwsAccountId": "111122223333",
    "ProductArn": "arn:aws:securityhub:us-east-1::product/aws/guardduty",
    "Region": "us-east-1",
    "Title": "A key was used from a new place",
    "UpdatedAt": "2026-11-30T12:10:00Z",
    "RecordState": "ACTIVE",
    "Workflow": {"Status": "NEW"},
    "Resources": [
        {"Id": "billing", "ResourceRole": "Target", "Type": "AwsS3Bucket"},
        {
            "Id": "AKIAEXAMPLE",
            "ResourceRole": "Actor",
            "Details": {"AwsIamAccessKey": {"AccessKeyId": "AKIAEXAMPLE", "PrincipalName": "eve"}},
        },
    ],
}
OCSF: dict[str, Any] = {
    "class_uid": 6003,
    "metadata": {"version": "1.8.0"},
    "time": 1796040600000,
    "activity_name": "Create",
    "status_id": 2,
    "status_detail": "AccessDenied",
    "api": {"operation": "CreateUser", "service": {"name": "iam.amazonaws.com"}},
    "actor": {"user": {"name": "eve", "uid": "u-1"}, "session": {"issuer": "role/deploy"}},
    "src_endpoint": {"ip": "203.0.113.9"},
    "cloud": {"region": "us-east-1", "account": {"uid": "111122223333"}},
    "resources": [{"uid": "billing"}],
}


def record_of(document: Json) -> Event:
    (record,) = Records.of("0" * 64, document).found.values()
    return record


def camel(value: Any) -> Any:
    """Return it in lower camel case, as EventBridge delivers it."""
    if isinstance(value, dict):
        return {name[:1].lower() + name[1:]: camel(member) for name, member in value.items()}
    return value


def test_guardduty_in_either_case() -> None:
    for finding in (GUARDDUTY, {"detail": camel(GUARDDUTY)}):
        record = record_of(finding)
        assert (record.name, record.service, record.error) == ("ListBuckets", "s3", "AccessDenied")
        assert (record.actor, record.user, record.address) == ("AKIAEXAMPLE", "eve", "203.0.113.9")
        assert (record.objects, record.note, record.obtained) == (("billing",), "", ())
        assert record.acts and record.time is not None


def test_a_sample_of_guardduty_says_so_in_each_place() -> None:
    for more in ({"sample": True}, {"Value": '{"sample":true}', "Type": "default"}):
        finding = {**GUARDDUTY, "Service": {"AdditionalInfo": more, "Archived": True}}
        assert record_of(finding).note == "a sample finding, archived"
    assert record_of({**GUARDDUTY, "Title": "[SAMPLE] A call"}).note == "a sample finding"


def test_a_guardduty_finding_without_a_call_does_not_say_an_outcome() -> None:
    record = record_of({**GUARDDUTY, "Service": {}})
    assert (record.form.error(record.body), record.acts) == (None, False)


def test_security_hub() -> None:
    record = record_of({"findings": [ASFF]})
    assert (record.actor, record.user, record.objects) == ("AKIAEXAMPLE", "eve", ("billing",))
    assert (record.account, record.region, record.note) == ("111122223333", "us-east-1", "")
    closed = {**ASFF, "Sample": True, "RecordState": "ARCHIVED", "Workflow": {"Status": "RESOLVED"}}
    assert record_of(closed).note == "a sample finding, archived, resolved in its workflow"


def test_ocsf() -> None:
    record = record_of(OCSF)
    assert (record.name, record.service, record.error) == ("CreateUser", "iam", "AccessDenied")
    assert (record.actor, record.user, record.issuer) == ("u-1", "eve", "role/deploy")
    assert (record.objects, record.address) == (("billing",), "203.0.113.9")
    assert record_of({**OCSF, "status_id": 1}).error == ""


def test_the_status_of_an_ocsf_finding_is_not_that_of_the_act() -> None:
    finding = {**OCSF, "class_uid": 2004, "api": {}, "status_id": 3}
    record = record_of(finding)
    assert (record.form.error(record.body), record.note, record.acts) == (None, "suppressed", False)
    assert record_of({**OCSF, "class_uid": 2005, "verdict_id": 6}).note == "a test, by its verdict"
