"""Checks that compare a claim's words with the cited records: names, outcomes, place, time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json
from remediation.domain.checks import (
    CheckInput,
    Outcome,
    claim_not_in_evidence,
    denied_told_as_done,
    place_and_time_mismatch,
)
from remediation.domain.formats.record import Records
from remediation.domain.formats.times import times_in
from tests.domain.story import a_check_input, a_diagnosis, a_plan
from tests.every import every

KEY = "AKIAEXAMPLE000000001"
OTHER = "AKIAEXAMPLE000000002"
TARGET: dict[str, Json] = {
    "kind": "aws.iam.access_key",
    "account": "111122223333",
    "user": "ada",
    "access_key_id": KEY,
}


def event(name: str = "GetSecretValue", **changes: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "eventName": name,
        "eventSource": "secretsmanager.amazonaws.com",
        "eventTime": "2026-03-01T10:00:00Z",
        "awsRegion": "eu-central-1",
        "sourceIPAddress": "203.0.113.9",
        "recipientAccountId": "111122223333",
        "userIdentity": {"accessKeyId": KEY, "userName": "ada"},
    }
    return record | changes


def claiming(text: str, *records: dict[str, Any], cite: tuple[int, ...] = (0,)) -> CheckInput:
    """One claim on these records; it cites the names of some of them."""
    content = json.dumps({"Records": list(records)}).encode()
    sha = sha256(content).hexdigest()
    citations: list[Json] = [
        {"evidence": sha, "pointer": f"/Records/{n}/eventName", "value": records[n]["eventName"]}
        for n in cite
    ]
    step: Json = {"action": "aws.iam.deactivate_access_key", "target": TARGET, "parameters": {}}
    return a_check_input(
        plan=a_plan(steps=[step]),
        diagnosis=a_diagnosis(identity=TARGET, claims=[{"text": text, "citations": citations}]),
        evidence={sha: content},
        title="",
        detected_at=datetime(2026, 3, 1, 10, 5, tzinfo=UTC),
        assessed_at=datetime(2026, 3, 1, 10, 30, tzinfo=UTC),
    )


# --- claim_not_in_evidence


@every(
    "text",
    [
        f"{KEY} read a secret.",
        "GetSecretValue at 2026-03-01T10:00:00Z, 2026-03-01 10:00 UTC, 2026-03-01T11:00:00+01:00.",
        "From 203.0.113.9 (in 203.0.113.0/24), in account 111122223333.",
        "No DeleteTrail, nor StopLogging; it never called CreateUser.",
        "DeleteTrail was never called, and CreateUser (iam) was not either.",
        "With it one could call CreateUser; people should call StartLogging.",
        "At 2026-03-01 10:01 UTC or so; 203.0.113.9:443; `eu-central-1`.",
        "The user “ada” of the session is a person.",
        "The role session and user agent say nothing; user data was not read.",
        "CloudTrail, PostgreSQL and GitHub are products. ListenPort is a setting.",
        "Version 1.2.3.4.5 of the tool, from 203.0.113.",
    ],
)
def test_a_value_in_the_cited_record_passes(text: str) -> None:
    outcome, reason = claim_not_in_evidence(claiming(text, event()))
    assert outcome is Outcome.PASS, reason


@every(
    ("text", "kind"),
    [
        (f"{OTHER} read a secret.", "key"),
        ("It called DeleteSecret.", "event"),
        ("From 203.0.113.90.", "address"),
        ("From the network 198.51.100.0/24.", "address"),
        ("From 2001:db8::1.", "address"),
        ("At 2026-03-01T10:00:01Z.", "time"),
        ("At 2026-03-01 10:02 UTC.", "time"),
        ("At 2026-03-01T10:00:00+01:00.", "time"),
        ("On instance i-0abc1234def567890.", "resource"),
        ("In account 999988887777.", "account"),
        ("Role arn:aws:iam::111122223333:role/admin was assumed.", "ARN"),
        ("By user ada-2.", "name"),
        ("By user `mallory`.", "name"),
        ("It is not new. It called DeleteSecret.", "event"),
    ],
)
def test_a_value_found_nowhere_fails_and_is_named(text: str, kind: str) -> None:
    outcome, reason = claim_not_in_evidence(claiming(text, event()))
    assert outcome is Outcome.FAIL
    assert f"claim 1 names {kind} “" in reason


def test_a_value_found_only_in_records_of_others_warns() -> None:
    stranger = event(
        "DeleteSecret",
        sourceIPAddress="198.51.100.4",
        userIdentity={"accessKeyId": OTHER, "userName": "bo"},
    )
    told = claiming("The key called DeleteSecret.", event(), stranger)
    outcome, reason = claim_not_in_evidence(told)
    assert outcome is Outcome.WARN
    assert "which the records that it cites do not hold" in reason


def test_a_claim_may_sum_up_what_the_same_actor_did_elsewhere() -> None:
    told = claiming("GetSecretValue, then DeleteSecret.", event(), event("DeleteSecret"))
    assert claim_not_in_evidence(told)[0] is Outcome.PASS


def test_a_title_about_another_key_fails() -> None:
    told = claiming("GetSecretValue.", event())
    for title, outcome in ((f"Key {KEY}", Outcome.PASS), (f"Key {OTHER}", Outcome.FAIL)):
        assert claim_not_in_evidence(replace(told, title=title))[0] is outcome


# --- denied_told_as_done

DENIED = event("StopLogging", errorCode="AccessDenied")


@every(
    "text",
    [
        "It stopped the trail (StopLogging).",
        "StopLogging.",
        "The trail was stopped successfully.",
        "After several attempts it succeeded in stopping the trail.",
        "It tried again and the stop went through.",
        "StopLogging ended without an error.",
        "The call was not denied: the trail stopped.",
        "It failed over to StopLogging and succeeded.",
    ],
)
def test_a_denied_call_told_as_done_fails(text: str) -> None:
    outcome, reason = denied_told_as_done(claiming(text, DENIED))
    assert outcome is Outcome.FAIL
    assert "StopLogging failed (AccessDenied)" in reason


@every(
    "text",
    [
        "It tried to stop the trail.",
        "Stopping the trail was denied.",
        "It wanted to stop the trail: AccessDenied.",
        "It failed to stop the trail.",
        "It attempted StopLogging without success.",
        "StopLogging was blocked by a service control policy.",
        "It couldn't stop the trail.",
        "StopLogging was not successful.",
        "Neither attempt succeeded.",
        "The call came back with 403.",
        "It lacked the permission to stop the trail.",
        "To stop the trail was tried to no avail; it wasn't successful.",
    ],
)
def test_denied_attempts_told_as_denied_are_right(text: str) -> None:
    outcome, reason = denied_told_as_done(claiming(text, DENIED))
    assert outcome is Outcome.PASS, reason


def test_a_claim_silent_about_the_failure_warns() -> None:
    assert denied_told_as_done(claiming("It asked for a stop.", DENIED))[0] is Outcome.WARN


def test_a_denial_told_by_another_claim_counts() -> None:
    silent = claiming("It asked for a stop.", DENIED)
    claims = [
        {"text": claim.text, "citations": [c.to_json() for c in claim.citations]}
        for claim in silent.diagnosis.claims
    ]
    both: list[Json] = [*claims, {**claims[0], "text": "Every stop was denied."}]  # type: ignore[list-item]
    told = replace(silent, diagnosis=a_diagnosis(identity=TARGET, claims=both))
    assert denied_told_as_done(told)[0] is Outcome.PASS


def test_one_successful_call_among_the_cited_is_enough() -> None:
    told = claiming("It stopped the trail.", DENIED, event("StopLogging"), cite=(0, 1))
    assert denied_told_as_done(told)[0] is Outcome.PASS


def test_a_successful_call_does_not_excuse_another_failed_one() -> None:
    told = claiming(
        "GetTrailStatus, then StopLogging.", DENIED, event("GetTrailStatus"), cite=(0, 1)
    )
    assert denied_told_as_done(told)[0] is Outcome.FAIL


def test_a_reading_call_that_finds_nothing_counts_as_successful() -> None:
    empty = event("GetBucketPolicy", errorCode="NoSuchBucketPolicy")
    assert denied_told_as_done(claiming("It read the policy.", empty))[0] is Outcome.PASS
    refused = event("GetBucketPolicy", errorCode="AccessDenied")
    assert denied_told_as_done(claiming("It read the policy.", refused))[0] is Outcome.FAIL


def test_a_sign_in_fails_without_an_error_code() -> None:
    failed = event("ConsoleLogin", responseElements={"ConsoleLogin": "Failure"})
    assert denied_told_as_done(claiming("Ada signed in.", failed))[0] is Outcome.FAIL


def test_postgresql_tells_the_error_after_the_statement() -> None:
    def line(text: str) -> dict[str, Any]:
        return {"user": "ada", "text": text, "message": text.partition(": ")[2].strip()}

    lines = [
        line("2026-03-01 10:00:00 UTC [7] LOG:  statement: select * from a"),
        line("2026-03-01 10:00:00 UTC [8] LOG:  statement: select * from b"),
        line("2026-03-01 10:00:00 UTC [7] ERROR:  permission denied for table a"),
    ]
    found = Records.of("0" * 64, {"Lines": lines}).found  # type: ignore[dict-item]
    assert "permission denied" in found["/Lines/0"].error
    assert found["/Lines/1"].error == ""


# --- place_and_time_mismatch


def test_the_same_place_and_time_pass() -> None:
    for text in ("In eu-central-1.", "In eu-central-1b.", "The us-army-1 ship."):
        assert place_and_time_mismatch(claiming(text, event()))[0] is Outcome.PASS


@every(
    ("record", "text", "why"),
    [
        (event(recipientAccountId="999988887777"), "It is so.", "is of account 999988887777"),
        (event(), "In us-gov-west-1.", "speaks of us-gov-west-1"),
        (event(), "In eu-west-1.", "are of eu-central-1"),
        (event(), "In eu-west-1a.", "speaks of eu-west-1a"),
        (event(eventTime="2026-03-01T11:30:00Z"), "It is so.", "before anything"),
        (event(eventTime="2026-03-02T10:00:00Z"), "It is so.", "still to come"),
    ],
)
def test_another_account_region_or_time_fails(record: dict[str, Any], text: str, why: str) -> None:
    outcome, reason = place_and_time_mismatch(claiming(text, record))
    assert outcome is Outcome.FAIL
    assert why in reason


def test_a_small_clock_difference_passes() -> None:
    later = (datetime(2026, 3, 1, 10, 5, tzinfo=UTC) + timedelta(minutes=4)).isoformat()
    assert place_and_time_mismatch(claiming("x", event(eventTime=later)))[0] is Outcome.PASS


def test_records_of_others_may_be_of_other_accounts() -> None:
    partner = event(recipientAccountId="999988887777", userIdentity={"accessKeyId": OTHER})
    told = claiming("x", event(), partner, cite=(0, 1))
    assert place_and_time_mismatch(told)[0] is Outcome.PASS


# --- reading foreign documents


def test_exporters_change_the_case_of_names() -> None:
    shouted = {"EventName": "GetUser", "UserIdentity": {"accesskeyId": KEY}}
    (found,) = Records.of("0" * 64, [shouted]).found.values()  # type: ignore[list-item]
    assert (found.name, found.key) == ("GetUser", KEY)


def test_records_are_found_at_any_depth_and_by_any_pointer_into_them() -> None:
    wrapped: list[Json] = [{"detail": {"a/b": [event("One"), event("Two")]}}, {"x": "y"}]  # type: ignore[dict-item]
    records = Records.of("0" * 64, wrapped)
    assert [e.name for e in records.found.values()] == ["One", "Two"]
    found = records.at("/0/detail/a~1b/1/userIdentity/accessKeyId")
    assert found is not None and found.name == "Two"
    assert records.at("/1/x") is None
    assert records.at("") is None


def test_a_deep_document_is_walked_without_recursion() -> None:
    deep: Json = "x"
    for _ in range(50_000):
        deep = [deep]
    assert Records.of("0" * 64, deep).found == {}


@every(
    ("text", "at"),
    [
        ("2026-03-01T10:00:00Z", "10:00"),
        ("2026-03-01 10:00", "10:00"),
        ("2026-03-01T12:00:00.123456+02:00", "10:00"),
        ("2026-03-01T04:30-0530", "10:00"),
        ("2026-02-30T10:00:00Z", None),
        ("2026-03-01T25:00:00Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("12026-03-01T10:00:00Z", None),
    ],
)
def test_times_are_instants(text: str, at: str | None) -> None:
    told = [f"{time.at:%H:%M}" for time in times_in(f"({text}).")]
    assert told == ([at] if at else [])


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)


@given(TEXT, st.recursive(st.text(max_size=8), lambda s: st.lists(s, max_size=3)))
def test_no_claim_and_record_make_a_check_raise(text: str, odd: Any) -> None:
    record = event(userIdentity=odd, requestParameters=odd, eventTime=odd, errorCode=odd)
    told = claiming(text or "x", record)
    for check in (claim_not_in_evidence, denied_told_as_done, place_and_time_mismatch):
        assert check(told)[0] in Outcome
