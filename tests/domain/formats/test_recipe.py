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
from tests.domain.formats.vault import Vault
from tests.domain.story import a_check_input, a_diagnosis

DENIED: dict[str, Json] = {
    "type": "response",
    "time": "2026-11-22T10:00:00.000Z",
    "auth": {"display_name": "eve@example.org"},
    "request": {"operation": "read", "path": "secret/billing", "remote_address": "198.51.100.7"},
    "error": "permission denied",
}


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> None:
    """The single entry."""
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, Vault()))


def test_its_records_are_found(vault: None) -> None:
    record = Records.of("0" * 64, {"events": [DENIED]}).found["/events/0"]
    assert (record.name, record.actor, record.address, record.error) == (
        "read secret/billing",
        "eve@example.org",
        "198.51.100.7",
        "permission denied",
    )
    assert record.time is not None and record.acts


def test_without_the_entry_nothing_is_found() -> None:
    assert Records.of("0" * 64, {"events": [DENIED]}).found == {}


def test_checks_judge_by_them(vault: None) -> None:
    content = json.dumps({"events": [DENIED]}).encode()
    digest = sha256(content).hexdigest()
    citation: Json = {
        "evidence": digest,
        "pointer": "/events/0/request/path",
        "value": "secret/billing",
    }
    claim: Json = {"text": "read secret/billing was done.", "citations": [citation]}
    told = replace(
        a_check_input(), evidence={digest: content}, diagnosis=a_diagnosis(claims=[claim])
    )
    outcome, reason = denied_told_as_done(told)
    assert outcome is Outcome.FAIL
    assert "permission denied" in reason


def test_the_others_read_what_they_read_before(vault: None) -> None:
    line: dict[str, Json] = {"user": "app", "text": "2026-11-22 10:00:00 [7] ERROR:  no"}
    call: dict[str, Json] = {"eventName": "GetUser", "errorCode": "AccessDenied"}
    found = Records.of("0" * 64, [line, call]).found
    assert (found["/0"].user, found["/0"].session, found["/0"].error) == ("app", "7", "ERROR: no")
    assert (found["/1"].name, found["/1"].error) == ("GetUser", "AccessDenied")
