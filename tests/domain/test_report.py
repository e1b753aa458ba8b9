"""The report: strict shape, limits, digests of artefacts."""

from __future__ import annotations

import base64
import contextlib
import copy
import json
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput
from remediation.domain.report import (
    MAX_ARTEFACT_BYTES,
    MAX_BYTES,
    Report,
    load_diagnosis,
    parse,
    parse_diagnosis,
)
from tests.domain.story import ARTEFACT, ARTEFACT_SHA, artefact_json, diagnosis_json, report_json
from tests.every import every


def read(value: Any) -> Report:
    return parse(json.dumps(value).encode(), protected=frozenset())


def refusal(value: Any) -> tuple[str, str]:
    with pytest.raises(BadInput) as refused:
        read(value)
    return refused.value.name, refused.value.pointer


def changed(path: str, value: Any) -> Any:
    """The report with one place set; the last part may be new."""
    report: Any = copy.deepcopy(report_json())
    *parents, last = path.strip("/").split("/")
    place = report
    for part in parents:
        place = place[int(part)] if isinstance(place, list) else place[part]
    place[int(last) if isinstance(place, list) else last] = value
    return report


def test_a_complete_report_is_read() -> None:
    report = read(report_json())
    assert report.incident.identity.locator == "postgres.role:billing-db/app_orders"
    assert report.incident.external_id == ""
    assert report.evidence[0].content == ARTEFACT
    assert report.diagnosis.confidence == 90
    assert report.diagnosis.claims[0].citations[0].evidence == ARTEFACT_SHA
    assert report.plan is not None
    assert report.plan.environment == "production"
    assert report.rationale == "Stop the misuse first."


def test_a_report_without_a_proposal_is_read_too() -> None:
    """When no action of the catalogue fits, the incident still gets an owner and a deadline."""
    value = report_json()
    del value["proposal"]
    report = read(value)
    assert (report.plan, report.rationale) == (None, "")
    assert report.diagnosis.confidence == 90


def test_the_diagnosis_has_canonical_bytes_and_a_digest() -> None:
    diagnosis = read(report_json()).diagnosis
    assert diagnosis.digest == digest(Kind.DIAGNOSIS, diagnosis.body)
    assert load_diagnosis(diagnosis.body) == diagnosis
    with pytest.raises(BadInput):
        load_diagnosis(diagnosis.body + b" ")


def test_base64_carries_bytes_that_are_not_text() -> None:
    content = bytes(range(256))
    artefact = artefact_json(b"") | {
        "encoding": "base64",
        "content": base64.b64encode(content).decode(),
        "sha256": sha256(content).hexdigest(),
    }
    assert read(report_json(evidence=[artefact])).evidence[0].content == content


@every(
    ("path", "value", "name"),
    [
        ("/extra", 1, "unknown_field"),
        ("/incident/extra", 1, "unknown_field"),
        ("/proposal/extra", 1, "unknown_field"),
        ("/evidence/0/extra", 1, "unknown_field"),
        ("/diagnosis/claims/0/extra", 1, "unknown_field"),
        ("/diagnosis/claims/0/citations/0/extra", 1, "unknown_field"),
        ("/incident/kind", "Has Space", "bad_value"),
        ("/incident/kind", "x" * 65, "bad_value"),
        ("/incident/title", "", "bad_value"),
        ("/incident/title", "x" * 201, "bad_value"),
        ("/incident/external_id", "x" * 201, "bad_value"),
        ("/incident/detected_at", "yesterday", "bad_value"),
        ("/incident/identity/kind", "host", "unknown_target_kind"),
        ("/evidence", [], "bad_value"),
        ("/evidence/0/sha256", "A" * 64, "bad_value"),
        ("/evidence/0/sha256", "0" * 64, "evidence_digest_mismatch"),
        ("/evidence/0/encoding", "base32", "bad_value"),
        ("/evidence/0/media_type", "text/plain; charset=utf-8", "bad_value"),
        ("/evidence/0/attacker_writable", "no", "wrong_type"),
        ("/diagnosis/confidence", 101, "bad_value"),
        ("/diagnosis/confidence", -1, "bad_value"),
        ("/diagnosis/confidence", "90", "wrong_type"),
        ("/diagnosis/summary", "x" * 4_001, "bad_value"),
        ("/diagnosis/claims", [{"text": "x", "citations": []}] * 201, "bad_value"),
        ("/diagnosis/claims/0/text", "x" * 2_001, "bad_value"),
        ("/diagnosis/claims/0/citations/0/evidence", "x", "bad_value"),
        ("/diagnosis/claims/0/citations/0/pointer", "events", "bad_value"),
        ("/diagnosis/claims/0/citations/0/pointer", "/a~2", "bad_value"),
        ("/diagnosis/claims/0/citations/0/value", [], "wrong_type"),
        ("/proposal/rationale", "x" * 4_001, "bad_value"),
        ("/proposal/plan", {}, "missing_field"),
        ("/proposal/plan/steps/0/action", "x", "unknown_action"),
    ],
)
def test_every_part_is_refused_by_name_at_its_place(path: str, value: Any, name: str) -> None:
    found, pointer = refusal(changed(path, value))
    assert found == name
    assert path.startswith(pointer)


def test_more_than_twenty_citations_and_fifty_artefacts_are_refused() -> None:
    citation = diagnosis_json()["claims"][0]["citations"][0]  # type: ignore[index,call-overload]
    claims = [{"text": "x", "citations": [citation] * 21}]
    assert refusal(report_json(diagnosis=diagnosis_json(claims=claims)))[0] == "bad_value"  # type: ignore[arg-type]
    artefacts = [artefact_json(str(n).encode()) for n in range(51)]
    assert refusal(report_json(evidence=artefacts)) == ("bad_value", "/evidence")  # type: ignore[arg-type]


def test_content_that_is_not_what_its_digest_says_is_refused() -> None:
    report = changed("/evidence/0/content", "other")
    assert refusal(report) == ("evidence_digest_mismatch", "/evidence/0/sha256")


def test_one_artefact_twice_is_refused() -> None:
    twice = [artefact_json(ARTEFACT), artefact_json(ARTEFACT)]
    assert refusal(report_json(evidence=twice)) == ("bad_value", "/evidence/1")  # type: ignore[arg-type]


@pytest.mark.parametrize("content", ["not base64!", "AAA", "é"])
def test_invalid_base64_is_refused(content: str) -> None:
    artefact = artefact_json(b"") | {"encoding": "base64", "content": content}
    assert refusal(report_json(evidence=[artefact])) == ("bad_value", "/evidence/0/content")


def test_a63_an_artefact_has_at_most_one_mib_and_a_report_eight() -> None:
    artefact = artefact_json(b"x" * (MAX_ARTEFACT_BYTES + 1))
    assert refusal(report_json(evidence=[artefact])) == ("too_large", "/evidence/0/content")
    with pytest.raises(BadInput) as refused:
        parse(b" " * (MAX_BYTES + 1), protected=frozenset())
    assert refused.value.name == "too_large"


def test_a63_a_diagnosis_has_at_most_two_mib() -> None:
    citation: Any = {"evidence": ARTEFACT_SHA, "pointer": "/x", "value": "x" * 1024 * 1024}
    claims: Any = [{"text": "x", "citations": [citation] * 3}]
    report = report_json(diagnosis=diagnosis_json(claims=claims))
    assert refusal(report) == ("too_large", "/diagnosis")


def test_a06_floats_and_duplicate_keys_are_refused_inside_a_report() -> None:
    raw = json.dumps(report_json()).encode()
    for broken, name in (
        (raw.replace(b'"confidence": 90', b'"confidence": 0.9'), "float_not_allowed"),
        (raw.replace(b'"confidence": 90', b'"confidence": 90, "confidence": 1'), "duplicate_key"),
    ):
        with pytest.raises(BadInput) as refused:
            parse(broken, protected=frozenset())
        assert refused.value.name == name


RAW = json.dumps(report_json()).encode()


@given(st.integers(0, len(RAW) - 1), st.binary(max_size=4))
def test_only_named_refusals_escape_for_changed_bytes(at: int, new: bytes) -> None:
    with contextlib.suppress(BadInput):
        parse(RAW[:at] + new + RAW[at + 1 :], protected=frozenset())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
PLACES = [
    "/incident", "/incident/identity", "/incident/kind", "/incident/detected_at", "/evidence",
    "/evidence/0", "/evidence/0/content", "/evidence/0/encoding", "/diagnosis",
    "/diagnosis/claims", "/diagnosis/claims/0/citations", "/diagnosis/claims/0/citations/0/value",
    "/diagnosis/claims/0/citations/0/pointer", "/proposal", "/proposal/plan",
]  # fmt: skip


@given(st.sampled_from(PLACES), JSON)
def test_only_named_refusals_escape_for_any_json_at_any_place(path: str, value: Any) -> None:
    try:
        report = read(changed(path, value))
    except BadInput:
        return
    assert parse_diagnosis(json.loads(report.diagnosis.body)) == report.diagnosis
