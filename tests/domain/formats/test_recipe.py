"""Add a log format with one file and one entry; checks then read its records."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest

from audit.tlog.canonical import Json
from remediation.domain import formats
from remediation.domain.checks import Outcome, denied_told_as_done
from remediation.domain.formats.record import Records
from tests.domain.formats.okta import Okta
from tests.domain.story import a_check_input, a_diagnosis

DENIED: dict[str, Json] = {
    "eventType": "user.mfa.factor.deactivate",
    "published": "2026-11-22T10:00:00.000Z",
    "actor": {"alternateId": "eve@example.org"},
    "client": {"ipAddress": "198.51.100.7"},
    "outcome": {"result": "DENY", "reason": "POLICY_DENIED"},
}


@pytest.fixture
def okta(monkeypatch: pytest.MonkeyPatch) -> None:
    """The single entry."""
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, Okta()))


def test_its_records_are_found(okta: None) -> None:
    record = Records.of("0" * 64, {"events": [DENIED]}).found["/events/0"]
    assert (record.name, record.actor, record.address, record.error) == (
        "user.mfa.factor.deactivate",
        "eve@example.org",
        "198.51.100.7",
        "POLICY_DENIED",
    )
    assert record.time is not None and record.acts


def test_without_the_entry_nothing_is_found() -> None:
    assert Records.of("0" * 64, {"events": [DENIED]}).found == {}


def test_checks_judge_by_them(okta: None) -> None:
    content = json.dumps({"events": [DENIED]}).encode()
    digest, name = sha256(content).hexdigest(), DENIED["eventType"]
    citation: Json = {
        "evidence": digest,
        "pointer": "/events/0/eventType",
        "value": name,
    }
    claim: Json = {"text": "user.mfa.factor.deactivate was done.", "citations": [citation]}
    told = replace(
        a_check_input(), evidence={digest: content}, diagnosis=a_diagnosis(claims=[claim])
    )
    outcome, reason = denied_told_as_done(told)
    assert outcome is Outcome.FAIL
    assert "POLICY_DENIED" in reason


def test_the_others_read_what_they_read_before(okta: None) -> None:
    line: dict[str, Json] = {"user": "app", "text": "2026-11-22 10:00:00 [7] ERROR:  no"}
    call: dict[str, Json] = {"eventName": "GetUser", "errorCode": "AccessDenied"}
    found = Records.of("0" * 64, [line, call]).found
    assert (found["/0"].user, found["/0"].session, found["/0"].error) == ("app", "7", "ERROR: no")
    assert (found["/1"].name, found["/1"].error) == ("GetUser", "AccessDenied")
