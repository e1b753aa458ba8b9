"""Records of Azure, Google Cloud, Okta and GitHub: who, what, to what, and the outcome."""

from __future__ import annotations

import pytest

from audit.tlog.canonical import Json
from remediation.domain.formats.record import Event, Records

AZURE: dict[str, Json] = {
    "time": "2026-11-30T12:00:00Z",
    "operationName": "Add service principal credentials",
    "category": "AuditLogs",
    "properties": {
        "result": "success",
        "initiatedBy": {"user": {"userPrincipalName": "eve@example.org"}},
        "targetResources": [{"displayName": "billing"}],
    },
}


def record_of(document: Json) -> Event:
    (record,) = Records.of("0" * 64, document).found.values()
    return record


def test_entra() -> None:
    record = record_of(AZURE)
    assert (record.actor, record.objects, record.error) == ("eve@example.org", ("billing",), "")
    assert record.obtained == ("billing",)


@pytest.mark.parametrize(
    ("result", "error"), [("Succeeded", ""), ("Failed", "Failed"), ("Start", None)]
)
def test_an_azure_act_that_only_started_has_no_outcome(result: str, error: str | None) -> None:
    record = record_of({"operationName": "a/b", "category": "Administrative", "resultType": result})
    assert record.form.error(record.body) == error


def test_google_cloud_refusal() -> None:
    record = record_of(
        {
            "timestamp": "2026-11-30T12:00:00Z",
            "protoPayload": {
                "methodName": "google.iam.admin.v1.CreateServiceAccountKey",
                "authenticationInfo": {"principalEmail": "eve@example.org"},
                "resourceName": "projects/-/serviceAccounts/billing",
                "status": {"code": 7, "message": "PERMISSION_DENIED"},
                "response": {"name": "keys/1"},
            },
        }
    )
    assert (record.actor, record.error) == ("eve@example.org", "PERMISSION_DENIED")
    assert (record.objects, record.obtained) == (("projects/-/serviceAccounts/billing",), ())


def test_okta_and_github() -> None:
    okta = record_of(
        {
            "eventType": "system.api_token.create",
            "published": "2026-11-30T12:00:00Z",
            "actor": {"alternateId": "eve@example.org"},
            "outcome": {"result": "SUCCESS"},
            "target": [{"displayName": "token-1"}],
        }
    )
    assert (okta.actor, okta.obtained) == ("eve@example.org", ("token-1",))
    audit = record_of(
        {"action": "repo.add_member", "actor": "eve", "org": "acme", "@timestamp": 1796040600000}
    )
    assert (audit.actor, audit.objects, audit.error) == ("eve", ("acme",), "")
    assert audit.time is not None
