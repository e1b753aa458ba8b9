"""Records of Kubernetes audit and Falco: real events, and twins that differ in one thing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from remediation.domain import formats
from remediation.domain.formats.azure import Azure
from remediation.domain.formats.kubernetes import Kubernetes
from remediation.domain.formats.record import Event, Records

REAL = Path(__file__).parent / "real"
ROBOT = "system:serviceaccount:shop:robot"
MINTED: dict[str, Any] = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "7",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/serviceaccounts/billing/token",
    "verb": "create",
    "user": {
        "username": ROBOT,
        "extra": {
            "authentication.kubernetes.io/pod-name": ["robot-1"],
            "authentication.kubernetes.io/pod-uid": ["u-1"],
        },
    },
    "sourceIPs": ["192.0.2.1", "198.51.100.7"],
    "objectRef": {
        "resource": "serviceaccounts",
        "subresource": "token",
        "namespace": "shop",
        "name": "billing",
    },
    "responseStatus": {"code": 201},
    "stageTimestamp": "2026-11-30T12:00:00.000000Z",
}
EXEC: dict[str, Any] = {
    "rule": "Terminal shell in container",
    "priority": "Notice",
    "time": "2026-11-30T12:00:00.000000001Z",
    "output": "x",
    "output_fields": {
        "k8s.ns.name": "shop",
        "k8s.pod.name": "robot-1",
        "container.id": "c0ffee",
        "user.name": "root",
        "fd.name": "<NA>",
    },
}


def record_of(document: Any) -> Event:
    (record,) = Records.of("0" * 64, document).found.values()
    return record


def but(**changed: Any) -> dict[str, Any]:
    return {**MINTED, **changed}


def test_real_events() -> None:
    lines = (REAL / "kubernetes.jsonl").read_text().splitlines()
    expected = (REAL / "kubernetes.rows.jsonl").read_text().splitlines()
    events = [record_of(json.loads(line)) for line in lines]
    assert [row_of(event) for event in events] == [json.loads(row) for row in expected]
    assert len(events) == 16
    assert all(isinstance(one.form, Kubernetes) for one in events)


def row_of(event: Event) -> list[Any]:
    """Return what is read of a record: actor, act, object, outcome, time, address."""
    time = event.time.isoformat() if event.time else None
    return [event.actor, event.name, event.objects[0], event.error, time, event.address]


def test_a_token_that_was_minted_and_one_that_was_refused() -> None:
    record, twin = record_of(MINTED), record_of(but(responseStatus={"code": 403}))
    assert (record.name, record.actor, record.session, record.error) == (
        "create serviceaccounts/token", ROBOT, "u-1", "",
    )  # fmt: skip
    assert record.obtained == ("system:serviceaccount:shop:billing", "shop/billing", "billing")
    assert (twin.error, twin.obtained, twin.objects) == ("Forbidden", (), record.objects)


def test_the_caller_stays_the_actor_when_it_impersonates() -> None:
    extra = {"canonicalArn": ["arn:aws:iam::1:role/r"]}
    own = record_of(but(user={"username": ROBOT, "extra": extra}))
    twin = record_of(
        but(user={"username": ROBOT, "extra": extra}, impersonatedUser={"username": "admin"})
    )
    assert (own.actor, own.issuer) == (ROBOT, "arn:aws:iam::1:role/r")
    assert (twin.actor, twin.issuer) == (ROBOT, "admin")
    assert set(twin.objects) - set(own.objects) == {"admin"}


def test_the_address_is_the_one_that_the_server_saw() -> None:
    assert record_of(MINTED).address == "198.51.100.7"


def test_another_zone_is_the_same_instant() -> None:
    east = record_of(but(stageTimestamp="2026-11-30T14:00:00.000000+02:00"))
    assert east.time == record_of(MINTED).time


@pytest.mark.parametrize(
    ("verb", "name", "obtained"),
    [("get", "db", ("shop/db", "db")), ("list", None, ("shop/*",)), ("delete", "db", ())],
)
def test_secrets_that_were_read(verb: str, name: str | None, obtained: tuple[str, ...]) -> None:
    about = {"resource": "secrets", "namespace": "shop", **({"name": name} if name else {})}
    assert record_of(but(verb=verb, objectRef=about)).obtained == obtained


STAGED = {name: value for name, value in MINTED.items() if name != "responseStatus"}
STAGED["stage"] = "RequestReceived"


def test_the_stages_of_a_request_are_one_act_with_its_outcome() -> None:
    started = {**STAGED, "stage": "ResponseStarted", "responseStatus": {"code": 200}}
    refused = but(responseStatus={"code": 403})
    records = Records.of("0" * 64, {"items": [STAGED, started, refused]})
    assert list(records.found) == ["/items/2"]
    cited = [records.at(f"/items/{number}/user/username") for number in range(3)]
    assert {one.error for one in cited if one} == {"Forbidden"} and all(cited)


@pytest.mark.parametrize(
    "differs",
    [
        {"user": {"username": "someone"}},
        {"auditID": "8"},
        {"requestURI": "/api/v1/pods"},
        {"sourceIPs": ["192.0.2.1"]},
    ],
)
def test_an_audit_id_that_a_caller_chose_hides_no_other_request(differs: dict[str, Any]) -> None:
    found = Records.of("0" * 64, [{**STAGED, **differs}, MINTED, MINTED]).found
    assert list(found) == ["/0", "/1", "/2"]


def test_events_without_an_id_or_with_two_outcomes_are_not_joined() -> None:
    refused = but(responseStatus={"code": 403})
    assert len(Records.of("0" * 64, [{**STAGED, "auditID": ""}, but(auditID="")]).found) == 2
    assert len(Records.of("0" * 64, [STAGED, MINTED, refused]).found) == 3


def test_a_refusal_without_a_status_of_http() -> None:
    failed = record_of(but(responseStatus={"status": "Failure", "reason": "Forbidden"}))
    text = record_of(but(responseStatus={"code": "403"}))
    assert failed.error == text.error == "Forbidden"
    assert failed.obtained == text.obtained == ()


def test_a_policy_and_an_event_of_the_cluster_are_no_records() -> None:
    policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
    pulled = {"apiVersion": "v1", "kind": "Event", "involvedObject": {}, "reason": "Pulled"}
    assert Records.of("0" * 64, [policy, pulled]).found == {}


def test_wrapped_by_aws_and_by_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    aws = {"logEvents": [{"id": "1", "timestamp": 1, "message": json.dumps(MINTED)}]}
    azure = {
        "category": "kube-audit",
        "operationName": "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read",
        "properties": {"log": json.dumps(MINTED)},
    }
    assert record_of(aws).actor == record_of(azure).actor == ROBOT
    plain = {**azure, "category": "guard"}
    assert isinstance(record_of(plain).form, Azure)
    only = tuple(one for one in formats.FORMATS if not isinstance(one, Kubernetes))
    monkeypatch.setattr(formats, "FORMATS", only)
    assert Records.of("0" * 64, azure).found == {}  # not read, rather than read as Azure's own


def test_a_role_of_aws() -> None:
    extra = {"accessKeyId": ["ASIA1"], "canonicalArn": ["arn:aws:iam::1:role/r"]}
    record = record_of(but(user={"username": "r", "extra": {**extra, "sessionName": ["s"]}}))
    assert (record.key, record.issuer, record.session) == ("ASIA1", "arn:aws:iam::1:role/r", "s")


def test_bindings_name_whom_they_bind() -> None:
    others = [{"kind": "User", "name": f"u{number}"} for number in range(60)]
    robot = {"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}
    sent = {"roleRef": {"name": "cluster-admin"}, "subjects": [*others, robot]}
    about = {"resource": "clusterrolebindings", "name": "b"}
    record = record_of(but(verb="patch", objectRef=about, requestObject=sent))
    assert record.objects[:2] == ("b", "cluster-admin") and record.objects[-1] == ROBOT
    assert ROBOT in record.obtained
    twin = record_of(but(verb="delete", objectRef=about, requestObject=sent))
    assert twin.obtained == () and twin.objects == record.objects


def test_falco() -> None:
    real = record_of(json.loads((REAL / "falco.json").read_text()))
    assert (real.name, real.user, real.objects) == (
        "Write below binary dir",
        "root",
        ("/bin/hack",),
    )
    assert real.time is not None
    record = record_of(EXEC)
    assert (record.actor, record.user, record.session) == ("shop/robot-1", "root", "c0ffee")
    assert record.objects == ()
    denied = record_of({**EXEC, "output_fields": {**EXEC["output_fields"], "evt.res": "EACCES"}})
    assert denied.error == "EACCES"
    watched = {"ka.user.name": ROBOT, "ka.target.name": "db", "ka.response.code": "403"}
    refused, done = (
        record_of({**EXEC, "output_fields": {**watched, "ka.response.code": code}})
        for code in ("403", "200")
    )
    assert (refused.actor, refused.objects, refused.error) == (ROBOT, ("db",), "status 403")
    assert done.error == ""
