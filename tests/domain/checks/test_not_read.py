"""A check over evidence in no known form says "not read"; it never passes for it."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from audit.tlog.canonical import Json
from remediation.domain import checks
from remediation.domain.checks import CheckInput, Outcome, run
from tests.domain.story import a_check_input, a_diagnosis, a_read_input

# Every check that compares records; the others read the text itself, plan or inventory.
OF_CITED = {"denied_told_as_done", "place_and_time_mismatch", "look_alike_names"}
OF_ALL = {"claim_not_in_evidence", "telemetry_switched_off", "containment_order"}
READ: Json = {"user": "app_orders", "text": "2026-11-22 09:57:00 UTC [7] LOG:  connection: x"}
OTHER: Json = {"who": "app_orders", "what": "DROP TABLE orders"}


def citing(document: Json, pointer: str, value: Json, **others: bytes) -> CheckInput:
    content = json.dumps(document).encode()
    digest = sha256(content).hexdigest()
    citation: Json = {"evidence": digest, "pointer": pointer, "value": value}
    evidence = {digest: content} | {sha256(one).hexdigest(): one for one in others.values()}
    claim: Json = {"text": "It is so.", "citations": [citation]}
    return a_check_input(evidence=evidence, diagnosis=a_diagnosis(claims=[claim]))


def said(given: CheckInput) -> dict[str, str]:
    return {one.name: one.reason for one in run(given) if one.outcome is Outcome.NOT_READ}


def test_the_cited_artefact_was_not_read_and_its_twin_was() -> None:
    found = said(a_check_input())
    assert OF_CITED | OF_ALL <= set(found)
    assert set(found.values()) == {
        "the cited artefact was not read by a machine: it holds no record of a known form"
    }
    assert said(a_read_input()) == {}


def test_control_without_the_guard_all_of_them_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "not_read", lambda given: "")
    assert {one.outcome for one in run(a_check_input())} == {Outcome.PASS}


def test_one_known_record_beside_it_does_not_hide_what_was_cited() -> None:
    found = said(citing({"a": READ, "b": OTHER}, "/b/what", "DROP TABLE orders"))
    assert found["denied_told_as_done"] == (
        "the cited place was not read by a machine: it is in no record of a known form"
    )
    assert said(citing({"a": READ, "b": OTHER}, "/a/user", "app_orders")) == {}


def test_what_nothing_cites_counts_for_the_checks_that_look_at_all_evidence() -> None:
    other = json.dumps(OTHER).encode()
    found = said(citing([READ], "/0/user", "app_orders", other=other))
    assert OF_ALL <= set(found) and not OF_CITED & set(found)
    assert found["telemetry_switched_off"] == (
        "the artefact that nothing cites was not read by a machine: "
        "it holds no record of a known form"
    )
    beside = said(citing([READ, OTHER, OTHER], "/0/user", "app_orders"))
    assert beside["telemetry_switched_off"] == (
        "2 entries of lists were not read by a machine: they are no record of a known form"
    )
    assert not OF_CITED & set(beside)


def test_a_text_that_is_no_json_was_not_read() -> None:
    content = b"somebody did something\n"
    digest = sha256(content).hexdigest()
    citation: Json = {"evidence": digest, "pointer": "", "value": "x"}
    claim: Json = {"text": "It is so.", "citations": [citation]}
    found = said(a_check_input(evidence={digest: content}, diagnosis=a_diagnosis(claims=[claim])))
    assert OF_CITED | OF_ALL <= set(found)


def test_not_read_is_on_record_and_reads_back() -> None:
    found = run(a_check_input())
    assert checks.parse(checks.body(found)) == found
