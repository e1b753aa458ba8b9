"""The checks of an assessment run on a whole report."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json
from remediation.domain import checks
from remediation.domain.checks import CHECKS, Check, CheckInput, Outcome, Rejection, run
from remediation.domain.citations import resolve
from remediation.domain.errors import BadInput
from remediation.domain.observation import Observation
from remediation.domain.scope import ScopeTarget
from tests.domain.story import (
    ARTEFACT,
    ARTEFACT_SHA,
    LOCATOR,
    TARGET,
    a_check_input,
    a_diagnosis,
    a_plan,
    a_read_input,
    a_scope,
)
from tests.every import every


def finding(name: str, given: CheckInput) -> Check:
    (found,) = [check for check in run(given) if check.name == name]
    return found


def citing(value: Json, pointer: str = "/events/0/client", sha: str = ARTEFACT_SHA) -> Any:
    citation: Json = {"evidence": sha, "pointer": pointer, "value": value}
    return a_diagnosis(claims=[{"text": "It is so.", "citations": [citation]}])


def test_an_honest_report_passes_every_check() -> None:
    found = run(a_read_input())
    assert [check.name for check in found] == list(CHECKS)
    assert {check.outcome for check in found} == {Outcome.PASS}
    assert all(check.reason for check in found)


def test_findings_have_canonical_bytes_that_read_back() -> None:
    found = run(a_check_input())
    assert checks.parse(checks.body(found)) == found
    for broken in (checks.body(found) + b" ", b'{"checks":[]}', b"{}", b"\xff"):
        with pytest.raises(BadInput):
            checks.parse(broken)


# --- evidence_names_other_identity


def test_an_incident_about_another_identity_fails() -> None:
    given = a_check_input(identity_locators=("postgres.role:billing-db/other",))
    found = finding("evidence_names_other_identity", given)
    assert found.outcome is Outcome.FAIL
    assert "postgres.role:billing-db/other" in found.reason


def test_a_diagnosis_about_another_identity_fails() -> None:
    given = a_check_input(diagnosis=a_diagnosis(identity={**TARGET, "role": "other"}))
    assert finding("evidence_names_other_identity", given).outcome is Outcome.FAIL


def test_evidence_that_never_names_the_target_fails() -> None:
    content = json.dumps({"role": "app_orders_ro", "events": [{"client": "x"}]}).encode()
    sha = sha256(content).hexdigest()
    given = a_check_input(evidence={sha: content}, diagnosis=citing("x", sha=sha))
    found = finding("evidence_names_other_identity", given)
    assert found.outcome is Outcome.FAIL
    assert "no cited evidence names app_orders" in found.reason


def test_an_uncited_artefact_is_no_evidence_for_the_target() -> None:
    other = json.dumps({"events": [{"client": "x"}]}).encode()
    sha = sha256(other).hexdigest()
    given = a_check_input(
        evidence={ARTEFACT_SHA: ARTEFACT, sha: other}, diagnosis=citing("x", sha=sha)
    )
    assert finding("evidence_names_other_identity", given).outcome is Outcome.FAIL


# --- citation_value_not_found


@every(
    ("value", "pointer"),
    [
        ("198.51.100.8", "/events/0/client"),
        ("198.51.100.7", "/events/1/client"),
        ("198.51.100.7", "/events/00/client"),
        ("198.51.100.7", "/events/-/client"),
        ("198.51.100.7", "/events/٠/client"),
        ("198.51.100.7", "/events/0/client/x"),
        ("198.51.100.7", ""),
        ("198.51.100.7", "/"),
        (True, "/events/0/count"),
        (1, "/events/0/odd"),
        ("12", "/events/0/count"),
        (None, "/events/0/none"),
    ],
)
def test_a_cited_value_that_is_not_at_its_place_fails(value: Json, pointer: str) -> None:
    given = a_check_input(diagnosis=citing(value, pointer))
    assert finding("citation_value_not_found", given).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("value", "pointer"),
    [("198.51.100.7", "/events/0/client"), (12, "/events/0/count"), (True, "/events/0/odd")],
)
def test_a_cited_value_at_its_place_passes(value: Json, pointer: str) -> None:
    given = a_check_input(diagnosis=citing(value, pointer))
    assert finding("citation_value_not_found", given).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not json", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":"x","a":"x"}', "repeats a key"),
        (b"9" * 10_000, "not JSON"),
    ],
)
def test_an_artefact_that_cannot_be_read_fails(content: bytes, why: str) -> None:
    sha = sha256(content).hexdigest()
    given = a_check_input(evidence={sha: content}, diagnosis=citing("x", "/a", sha))
    found = finding("citation_value_not_found", given)
    assert found.outcome is Outcome.FAIL
    assert why in found.reason


def test_a_citation_of_an_artefact_of_another_incident_fails() -> None:
    given = a_check_input(diagnosis=citing("x", "/a", "0" * 64))
    assert "not part of this incident" in finding("citation_value_not_found", given).reason


def test_an_artefact_may_hold_floats() -> None:
    content = b'{"score":0.5,"role":"app_orders"}'
    sha = sha256(content).hexdigest()
    given = a_check_input(evidence={sha: content}, diagnosis=citing("app_orders", "/role", sha))
    assert finding("citation_value_not_found", given).outcome is Outcome.PASS


# RFC 6901 section 5
RFC_6901: Json = {
    "foo": ["bar", "baz"], "": 0, "a/b": 1, "c%d": 2, "e^f": 3, "g|h": 4, "i\\j": 5, 'k"l': 6,
    " ": 7, "m~n": 8,
}  # fmt: skip


@every(
    ("pointer", "value"),
    [
        ("", RFC_6901), ("/foo", ["bar", "baz"]), ("/foo/0", "bar"), ("/", 0), ("/a~1b", 1),
        ("/c%d", 2), ("/e^f", 3), ("/g|h", 4), ("/i\\j", 5), ('/k"l', 6), ("/ ", 7), ("/m~0n", 8),
    ],
)  # fmt: skip
def test_pointers_resolve_as_in_rfc_6901(pointer: str, value: Json) -> None:
    assert resolve(RFC_6901, pointer) == value


@given(st.text().map(lambda text: "/" + text))
def test_a_pointer_finds_something_or_nothing(pointer: str) -> None:
    with contextlib.suppress(LookupError):
        resolve(RFC_6901, pointer)


# --- claim_without_citation


def test_a_claim_without_citation_fails() -> None:
    claims: Json = [{"text": "Trust me.", "citations": []}]
    found = finding("claim_without_citation", a_check_input(diagnosis=a_diagnosis(claims=claims)))
    assert (found.outcome, found.reason) == (Outcome.FAIL, "claim 1 cites nothing")


def test_a_diagnosis_without_claims_fails() -> None:
    found = finding("claim_without_citation", a_check_input(diagnosis=a_diagnosis(claims=[])))
    assert found.outcome is Outcome.FAIL


# --- hidden_characters


@every(
    "character",
    ["\x01", "\x1b", "\r", "\x7f", "\x85", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c",
     "\u200b", "\u200d", "\u2060", "\ufeff", "\U000e0041", "\U000e007f", "\ufe0f",
     "\U000e0100", "\u00ad", "\u2028"],
    ids=lambda c: f"U+{ord(c):04X}",
)  # fmt: skip
def test_a01_hidden_characters_are_named_with_their_place(character: str) -> None:
    found = finding("hidden_characters", a_check_input(title=f"innocent{character}title"))
    assert found.outcome is Outcome.FAIL
    assert found.reason.startswith("title: 1 hidden")
    assert f"U+{ord(character):04X}" in found.reason


def test_a01_every_text_of_the_agent_is_searched() -> None:
    hidden = "x\u202ey"
    citation: Json = {"evidence": ARTEFACT_SHA, "pointer": f"/{hidden}", "value": hidden}
    claims: Json = [{"text": hidden, "citations": [citation]}]
    noop: Json = {
        "action": "test.noop",
        "target": {"kind": "test.target", "name": "one"},
        "parameters": {"note": hidden},
    }
    for told, where in (
        (a_check_input(title=hidden), "title"),
        (a_check_input(rationale=hidden), "rationale"),
        (a_check_input(diagnosis=a_diagnosis(summary=hidden)), "summary"),
        (a_check_input(diagnosis=a_diagnosis(claims=claims)), "claim 1"),
        (a_check_input(diagnosis=a_diagnosis(claims=claims)), "claim 1, cited pointer"),
        (a_check_input(diagnosis=a_diagnosis(claims=claims)), "claim 1, cited value"),
        (a_check_input(plan=a_plan(steps=[noop])), "step 1, /note"),
    ):
        found = finding("hidden_characters", told)
        assert found.outcome is Outcome.FAIL
        assert f"{where}: " in found.reason


def test_line_feed_tab_and_other_scripts_are_not_hidden() -> None:
    given = a_check_input(rationale="Zeile\n\tМосква 東京 שלום é – “x”")
    assert finding("hidden_characters", given).outcome is Outcome.PASS


# --- targets


def test_a_target_that_the_inventory_does_not_know_fails() -> None:
    found = finding("target_unknown", a_check_input(known_locators=frozenset()))
    assert (found.outcome, LOCATOR in found.reason) == (Outcome.FAIL, True)


@pytest.mark.parametrize("seen", [None, Observation(False, {}, {}, False)])
def test_a_target_that_is_not_seen_or_not_there_fails(seen: Observation | None) -> None:
    given = a_check_input(observations={LOCATOR: seen})
    assert finding("target_unobservable", given).outcome is Outcome.FAIL
    assert finding("target_unobservable", a_check_input(observations={})).outcome is Outcome.FAIL


def test_a33_an_earlier_rejection_fails_and_is_named() -> None:
    found = finding("earlier_rejection", a_check_input(earlier_rejections=(Rejection("p-1"),)))
    assert (found.outcome, "p-1" in found.reason) == (Outcome.FAIL, True)


def test_an_environment_other_than_the_inventorys_fails() -> None:
    staging = replace(a_plan(environment="staging"))
    found = finding("environment_mismatch", a_check_input(plan=staging))
    assert found.outcome is Outcome.FAIL
    assert "production" in found.reason and "staging" in found.reason


def test_an_unknown_environment_warns() -> None:
    unplaced = (ScopeTarget(LOCATOR, False, "", "", ""),)
    found = finding("environment_mismatch", a_check_input(scope=a_scope(targets=unplaced)))
    assert found.outcome is Outcome.WARN


def test_a_long_list_of_findings_is_cut_and_counted() -> None:
    many = tuple(Rejection(f"p-{n}") for n in range(20))
    reason = finding("earlier_rejection", a_check_input(earlier_rejections=many)).reason
    assert "p-4" in reason and "p-5" not in reason and reason.endswith("and 15 more")


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)


@given(TEXT.filter(bool), TEXT, st.binary(max_size=60), st.sampled_from(["", "/", "/a", "/0"]))
def test_no_valid_report_makes_a_check_raise(
    summary: str, title: str, content: bytes, pointer: str
) -> None:
    sha = sha256(content).hexdigest()
    given = a_check_input(
        title=title,
        diagnosis=replace(citing(title, pointer, sha), summary=summary),
        evidence={sha: content},
    )
    found = run(given)
    assert checks.parse(checks.body(found)) == found
