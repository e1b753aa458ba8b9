"""The agent's report: evidence with provenance, citations that resolve, the portal's limits."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from hitlportal.demo.agent import evidence as evidence_module
from hitlportal.demo.agent.detect import detect
from hitlportal.demo.agent.evidence import Evidence, is_citable, to_pointer
from hitlportal.demo.agent.reading import parse
from hitlportal.demo.agent.records import Json, canonical
from hitlportal.demo.agent.report import reports
from remediation.domain import checks, inert
from remediation.domain.checks import CheckInput, Outcome
from remediation.domain.report import Report
from remediation.domain.report import parse as parse_report
from remediation.domain.scope import Scope
from tests.agent.cases import (
    ATTACKS,
    CASES,
    NAMES,
    NOW,
    ONE_RECORD_ATTACK,
    reading,
    record,
    reported,
)
from tests.every import every


def resolve(document: Any, pointer: str) -> Any:
    """Resolve a pointer by RFC 6901 section 4, independently of the agent's code."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


def claims(report: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = report["diagnosis"]["claims"]
    return found


def parsed(report: dict[str, Any]) -> Report:
    return parse_report(json.dumps(report).encode(), protected=frozenset())


@every("name", ATTACKS)
def test_every_citation_resolves_to_the_cited_value(name: str) -> None:
    for report in reported(name):
        documents = {item["sha256"]: json.loads(item["content"]) for item in report["evidence"]}
        for claim in claims(report):
            assert claim["citations"], claim["text"]
            for citation in claim["citations"]:
                found = resolve(documents[citation["evidence"]], citation["pointer"])
                assert found == citation["value"]
                assert type(found) is type(citation["value"])


@every("name", ATTACKS)
def test_the_evidence_is_the_real_records_with_their_place(name: str) -> None:
    files = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for path in (CASES / name).rglob("*")
        if path.is_file()
    }
    for report in reported(name):
        for item in report["evidence"]:
            assert hashlib.sha256(item["content"].encode()).hexdigest() == item["sha256"]
            document = json.loads(item["content"])
            source = document["Source"]
            assert files[source["sha256"]].name == source["file"]
            assert source["sha256"] in item["source"]
            place = {
                r.position: r.body
                for r in reading(name).records
                if r.source.sha256 == source["sha256"]
            }
            assert [place[at] for at in source["positions"]] == document["Records"]


@every("name", ATTACKS)
def test_reports_stay_within_the_limits_of_the_portal(name: str) -> None:
    for report in reported(name):
        assert len(json.dumps(report).encode()) < 8 * 1024 * 1024
        assert 1 <= len(report["evidence"]) <= 50
        assert all(len(item["content"].encode()) <= 1024 * 1024 for item in report["evidence"])
        assert all(len(item["source"]) <= 200 for item in report["evidence"])
        assert all(item["attacker_writable"] is True for item in report["evidence"])
        assert len(report["incident"]["title"]) <= 200
        assert len(report["diagnosis"]["summary"]) <= 4000
        assert all(len(claim["citations"]) <= 20 for claim in claims(report))
        assert 40 <= report["diagnosis"]["confidence"] <= 97


@every("name", ATTACKS)
def test_the_portal_accepts_every_report(name: str) -> None:
    for report in reported(name):
        taken = parsed(report)
        assert (taken.plan is not None) == ("proposal" in report)
        assert taken.incident.identity == taken.diagnosis.identity


@every("name", ATTACKS)
def test_the_portals_own_checks_of_the_story_pass(name: str) -> None:
    for report in reported(name):
        if "proposal" not in report:
            continue
        taken = parsed(report)
        assert taken.plan is not None
        given = CheckInput(
            plan=taken.plan,
            diagnosis=taken.diagnosis,
            evidence={artefact.sha256: artefact.content for artefact in taken.evidence},
            identity_locators=(taken.incident.identity.locator,),
            observations={},
            known_locators=frozenset(target.locator for target in taken.plan.targets),
            scope=Scope(targets=(), services=(), unknown=()),
            title=taken.incident.title,
            rationale=taken.rationale,
        )
        for check in (
            checks.evidence_names_other_identity,
            checks.citation_value_not_found,
            checks.claim_without_citation,
            checks.hidden_characters,
        ):
            outcome, reason = check(given)
            assert outcome is Outcome.PASS, reason


def as_sent(made: list[dict[str, Json]]) -> dict[str, Any]:
    """Return the single report, as the portal receives it."""
    (report,) = made
    loaded: dict[str, Any] = json.loads(json.dumps(report))
    return loaded


@pytest.mark.parametrize("environment", ["production", "staging", "development"])
def test_the_environment_comes_from_the_operator(environment: str) -> None:
    findings = detect(reading(ONE_RECORD_ATTACK).records)
    plan = parsed(as_sent(reports(findings, environment, NOW))).plan
    assert plan is not None
    assert plan.environment == environment


def test_the_same_incident_found_again_has_the_same_external_id() -> None:
    (now,) = reported(ONE_RECORD_ATTACK)
    findings = detect(reading(ONE_RECORD_ATTACK).records)
    later = as_sent(reports(findings, "production", "2027-01-01T00:00:00Z"))
    assert later["incident"]["external_id"] == now["incident"]["external_id"]
    ids = [report["incident"]["external_id"] for name in NAMES for report in reported(name)]
    assert len(ids) == len(set(ids)) == 22


def test_an_impossible_iam_user_is_no_target() -> None:
    """The portal would refuse the whole report for such a target."""
    made = record(
        eventName="CreateAccessKey",
        requestParameters={"userName": "bo/../x"},
        responseElements={"accessKey": {"accessKeyId": "AKIA" + "EXAMPLEEXAMPLE02"}},
    )
    findings = detect(parse("m.json", canonical([made])))
    plan = parsed(as_sent(reports(findings, "production", NOW))).plan
    assert plan is not None
    assert [target.fields["user"] for target in plan.targets] == ["ada"]


def test_hidden_characters_of_a_record_stay_in_the_evidence_as_escapes() -> None:
    made = record(
        eventName="CreateAccessKey",
        requestParameters={"userName": "bo\u202eb"},
        userAgent="a\u200bb\ud800",
        errorMessage="x" * 5000,
    )
    findings = detect(parse("m.json", canonical([made])))
    loaded = as_sent(reports(findings, "production", NOW))
    assert loaded["evidence"][0]["content"].isascii()
    for claim in claims(loaded):
        assert inert.visible(claim["text"]) == claim["text"]
        values = [c["value"] for c in claim["citations"] if isinstance(c["value"], str)]
        assert all(inert.visible(value) == value for value in values)


def test_evidence_stays_within_the_limits_for_any_finding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = reading("invictus-account-stream-1").records
    whole = Evidence(records)
    assert max(len(item.content) for item in whole.artefacts) <= 1024 * 1024
    monkeypatch.setattr(evidence_module, "MAX_ARTEFACT_BYTES", 5_000)
    monkeypatch.setattr(evidence_module, "MAX_ALL_BYTES", 20_000)
    monkeypatch.setattr(evidence_module, "MAX_ARTEFACTS", 3)
    small = Evidence(records)
    assert len(small.artefacts) == 3
    assert list(small.cite(records[0], [("eventName",)]))  # the first records are kept
    assert not list(small.cite(records[-1], [("eventName",)]))  # omitted records are not cited


CITABLE: list[Any] = ["x", 1, True, None]
NOT_CITABLE: list[Any] = [1.5, 2**53, "a\nb", "\u202e", "x" * 401, [], {}]


def test_only_short_plain_values_are_cited() -> None:
    assert [value for value in CITABLE if not is_citable(value)] == []
    assert [value for value in NOT_CITABLE if is_citable(value)] == []


def test_pointers_escape_what_rfc_6901_reserves() -> None:
    assert to_pointer(("a/b", "c~d", 0)) == "/a~1b/c~0d/0"
    assert resolve({"a/b": {"c~d": ["v"]}}, to_pointer(("a/b", "c~d", 0))) == "v"


BACKDOOR = "stratus-persistence-iam-backdoor-user"


def test_a_gentler_plan_is_offered_where_the_intruder_made_a_key() -> None:
    findings = detect(reading(BACKDOOR).records)
    report = as_sent(reports(findings, "production", NOW, alternatives=True))
    whole, gentler = parsed(report).alternatives
    assert set(gentler.plan.targets) < set(whole.plan.targets)
    made = {key.key_id for finding in findings for key in finding.created}
    assert {target.distinguishing for target in gentler.plan.targets} == made
    alone = parsed(as_sent(reports(findings, "production", NOW)))
    assert alone.plan == whole.plan and not alone.alternatives


def test_without_a_key_of_the_intruder_there_is_no_gentler_plan() -> None:
    plain = [f for name in ATTACKS for f in detect(reading(name).records) if not f.created]
    assert plain
    made = reports(plain, "production", NOW, alternatives=True)
    assert made and all("proposals" not in report for report in made)
