"""Rules on records that no case holds: which are reported and which are not."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hitlportal.demo.agent.detect import Finding, detect
from hitlportal.demo.agent.reading import parse
from hitlportal.demo.agent.records import Record, canonical
from hitlportal.demo.agent.report import reports
from hitlportal.demo.agent.signals import MOST_CERTAIN, THRESHOLD, certainty
from tests.agent.cases import NOW, reading, record
from tests.every import every

ELSEWHERE = "000000000009"


def records(*made: dict[str, Any]) -> list[Record]:
    return parse("made.json", canonical({"Records": list(made)}))


def found(*made: dict[str, Any]) -> list[Finding]:
    return detect(records(*made))


def rules(*made: dict[str, Any]) -> set[str]:
    return {signal.rule for finding in found(*made) for signal in finding.signals}


def call(source: str, name: str, /, **request: Any) -> dict[str, Any]:
    return record(eventSource=f"{source}.amazonaws.com", eventName=name, requestParameters=request)


def trust(principal: Any, **more: Any) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole", **more}
    document = canonical({"Version": "2012-10-17", "Statement": [statement]}).decode()
    return call("iam", "UpdateAssumeRolePolicy", roleName="r", policyDocument=document)


SPEAKS = [
    ("trust_opened", trust({"AWS": f"arn:aws:iam::{ELSEWHERE}:root"})),
    ("trust_opened", trust({"AWS": [ELSEWHERE]})),
    ("trust_opened", trust("*", Condition={"StringEquals": {"sts:ExternalId": "1"}})),
    (
        "resource_policy_opened",
        call(
            "s3",
            "PutBucketPolicy",
            bucketPolicy={"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:*"}]},
        ),
    ),
    ("copy_shared", call("rds", "ModifyDBSnapshotAttribute", valuesToAdd=[ELSEWHERE])),
    (
        "copy_shared",
        call(
            "ec2", "ModifyImageAttribute", launchPermission={"add": {"items": [{"group": "all"}]}}
        ),
    ),
    (
        "door_opened",
        call(
            "ec2",
            "AuthorizeSecurityGroupIngress",
            ipPermissions={
                "items": [
                    {"fromPort": 3389, "toPort": 3389, "ipRanges": {"items": [{"cidrIp": "::/0"}]}}
                ]
            },
        ),
    ),
    ("door_opened", call("rds", "AuthorizeDBSecurityGroupIngress", cIDRIP="0.0.0.0/0")),
    ("organisation_left", call("organizations", "LeaveOrganization")),
    ("detector_disabled", call("guardduty", "UpdateDetector", detectorId="d", enable=False)),
    ("federation_token", call("sts", "GetFederationToken", name="x")),
    (
        "function_layers_added",
        call("lambda", "UpdateFunctionConfiguration20150331v2", layers=["l"]),
    ),
]

SILENT = [
    ("a service may assume", trust({"Service": "ec2.amazonaws.com"})),
    ("its own account may assume", trust({"AWS": "arn:aws:iam::000000000001:role/own"})),
    ("one organisation", trust("*", Condition={"StringEquals": {"aws:PrincipalOrgID": "o-1"}})),
    (
        "a web port",
        call("ec2", "AuthorizeSecurityGroupIngress", cidrIp="0.0.0.0/0", fromPort=443, toPort=443),
    ),
    (
        "one network",
        call("ec2", "AuthorizeSecurityGroupIngress", cidrIp="10.0.0.0/8", fromPort=22, toPort=22),
    ),
    ("shared at home", call("rds", "ModifyDBSnapshotAttribute", valuesToAdd=["000000000001"])),
    ("a key of its own", call("iam", "CreateAccessKey")),
    (
        "a first password",
        call("iam", "CreateLoginProfile", userName="bo", passwordResetRequired=True),
    ),
    ("a small machine", call("ec2", "RunInstances", instanceType="t3.micro")),
    ("invoked by a service", call("lambda", "AddPermission", principal="s3.amazonaws.com")),
    (
        "logs kept a year",
        call(
            "s3",
            "PutBucketLifecycle",
            LifecycleConfiguration={"Rule": {"Status": "Enabled", "Expiration": {"Days": 365}}},
        ),
    ),
]


@every(("rule", "made"), SPEAKS, ids=[rule for rule, _ in SPEAKS])
def test_suspicious_records_are_reported(rule: str, made: dict[str, Any]) -> None:
    assert rule in rules(made)


@every(("what", "made"), SILENT, ids=[what for what, _ in SILENT])
def test_harmless_records_are_not_reported(what: str, made: dict[str, Any]) -> None:
    assert found(made) == [], what


def test_a_pipeline_that_deploys_code_is_not_reported() -> None:
    role = {
        "type": "AssumedRole",
        "accountId": "000000000001",
        "arn": "arn:aws:sts::000000000001:assumed-role/deploy/run-1",
        "accessKeyId": "ASIA" + "EXAMPLEEXAMPLE01",
        "sessionContext": {"sessionIssuer": {"userName": "deploy"}},
    }
    made = call("lambda", "UpdateFunctionCode20150331v2", functionName="f")
    assert found(made | {"userIdentity": role}) == []
    assert rules(made) == {"function_code_replaced"}


def test_reading_alone_is_never_enough() -> None:
    """Sixty kinds of reading calls and fifty refusals within minutes give no report."""
    services = ["iam", "ec2", "s3", "rds", "lambda", "kms"]
    reads = [call(services[n % 6], f"List{chr(65 + n % 26)}{n}") for n in range(60)]
    refused = [
        call("iam", "GetRole", roleName=f"r{n}") | {"errorCode": "AccessDenied"} for n in range(50)
    ]
    assert found(*reads, *refused) == []


def test_a_call_forwarded_by_a_service_belongs_to_no_user() -> None:
    made = call("cloudtrail", "StopLogging", name="t")
    identity = made["userIdentity"] | {"invokedBy": "cloudformation.amazonaws.com"}
    assert found(made) != []
    assert found(made | {"userIdentity": identity}) == []


def test_a_failed_attempt_weighs_less_than_a_success() -> None:
    made = call("cloudtrail", "DeleteTrail", name="t")
    (deed,) = found(made)
    assert found(made | {"errorCode": "AccessDenied"}) == []
    assert deed.confidence == 60


def test_reading_secrets_is_a_burst_within_minutes_but_not_within_days() -> None:
    def secret(n: int, when: str) -> dict[str, Any]:
        return call("secretsmanager", "GetSecretValue", secretId=f"s{n}") | {"eventTime": when}

    slow = [secret(n, f"2026-01-0{n + 1}T10:00:00Z") for n in range(9)]
    quick = [secret(n, f"2026-01-01T10:0{n}:00Z") for n in range(9)]
    assert found(*slow) == []
    assert rules(*quick) == {"secrets_read"}


def test_reading_one_secret_repeatedly_is_no_burst() -> None:
    made = [
        call("secretsmanager", "GetSecretValue", secretId="s") | {"eventID": str(n)}
        for n in range(50)
    ]
    assert found(*made) == []


def test_a_key_that_was_deleted_again_is_no_target() -> None:
    key = "AKIA" + "EXAMPLEEXAMPLE02"
    create = call("iam", "CreateAccessKey", userName="bo") | {
        "responseElements": {"accessKey": {"accessKeyId": key, "userName": "bo"}}
    }
    delete = call("iam", "DeleteAccessKey", userName="bo", accessKeyId=key) | {
        "eventTime": "2026-01-01T10:05:00Z"
    }
    assert key in str(reports(found(create), "production", NOW)[0]["proposal"])
    assert key not in str(reports(found(create, delete), "production", NOW)[0]["proposal"])


def test_people_who_share_an_address_are_not_reported() -> None:
    """An address joins a session only to a credential that is suspect by itself."""
    session = {
        "type": "AssumedRole",
        "accountId": "000000000001",
        "arn": "arn:aws:sts::000000000001:assumed-role/ops/someone",
        "accessKeyId": "ASIA" + "EXAMPLEEXAMPLE02",
        "sessionContext": {"sessionIssuer": {"userName": "ops"}},
    }
    deed = call("cloudtrail", "StopLogging", name="t") | {"userIdentity": session}
    (finding,) = found(record(), deed)
    assert [member.name for member in finding.members] == ["ops"]
    (joined,) = found(call("ec2", "DeleteFlowLogs"), deed)
    assert [member.name for member in joined.members] == ["ada", "ops"]


def test_confidence_is_an_integer_below_one_hundred_per_cent() -> None:
    (finding,) = detect(reading("invictus-account-stream-1").records)
    assert finding.confidence == MOST_CERTAIN
    assert certainty([]) == 0
    one = [signal for signal in finding.signals if signal.weight == 60][:1]
    assert certainty(one) == certainty(one * 3) == 60
    assert certainty(one) > THRESHOLD


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3)
    ),
    max_leaves=12,
)
SPOTS = [
    ("requestParameters",), ("responseElements",), ("userIdentity",), ("additionalEventData",),
    ("requestParameters", "eventSelectors"), ("requestParameters", "createVolumePermission"),
    ("requestParameters", "ipPermissions"), ("requestParameters", "fromPort"),
    ("requestParameters", "policyDocument"), ("requestParameters", "instancesSet"),
    ("requestParameters", "LifecycleConfiguration"), ("userIdentity", "sessionContext"),
    ("userIdentity", "accountId"), ("userIdentity", "arn"), ("sourceIPAddress",), ("errorCode",),
    ("eventTime",), ("requestParameters", "secretId"), ("requestParameters", "instanceIds"),
]  # fmt: skip
CASE = "stratus-execution-ec2-launch-unusual-instances"
BODIES = [
    record.body
    for name in ("invictus-account-stream-1", CASE)
    for record in reading(name).records[:400:7]
]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(BODIES), st.sampled_from(SPOTS), JSON), max_size=4),
    st.sampled_from([made["eventName"] for _, made in SPEAKS + SILENT] + ["ConsoleLogin"]),
)
def test_no_record_stops_the_agent(changes: list[Any], name: str) -> None:
    """Callers control much of a record; the other records must still be examined."""
    made = []
    for body, spot, value in changes:
        changed: dict[str, Any] = {**body, "eventName": name, "eventSource": "ec2.amazonaws.com"}
        if len(spot) == 1:
            changed[spot[0]] = value
        else:
            inner = changed.get(spot[0])
            changed[spot[0]] = {**(inner if isinstance(inner, dict) else {}), spot[1]: value}
        made.append(changed)
    deed = call("cloudtrail", "StopLogging", name="t")
    findings = found(*made, deed)
    assert any(finding.origin.name == "ada" for finding in findings)
    reports(findings, "production", NOW)
