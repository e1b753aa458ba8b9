"""Checks read free names of targets: whole, as they are, and beside look-alikes."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from audit.tlog.canonical import Json
from remediation.domain.catalogue.locators import escape
from remediation.domain.checks import (
    CheckInput,
    Neighbour,
    Outcome,
    evidence_names_other_identity,
    look_alike_names,
    sibling_credential,
)
from remediation.domain.observation import Observation
from tests.domain.story import TARGET, a_check_input, a_diagnosis, a_plan

HOSTILE = (
    "billing-sa@acme.iam",
    "my app identity",
    "1st_sync",
    "\u00fcn\u00efcode",
    'say "no"',
    "back\\slash",
    "a/b:c",
    "100%",
    "two\nlines",
    "svc_rep\u03bfrts",
)


def locator(name: str) -> str:
    return f"postgres.role:billing-db/{escape(name)}"


def about(name: str, seen: str, *near: str, members: list[Json] | None = None) -> CheckInput:
    """A disable of the role with this name; the evidence is about the role that was seen."""
    content = json.dumps({"role": seen, "events": [{"client": "198.51.100.7"}]}).encode()
    digest = sha256(content).hexdigest()
    target: dict[str, Json] = {**TARGET, "role": name}
    step: Json = {"action": "postgres.role.disable", "target": target, "parameters": {}}
    citation: dict[str, Json] = {"evidence": digest, "pointer": "/role", "value": seen}
    claim: Json = {"text": "It is misused.", "citations": [citation]}
    state: dict[str, Json] = {"login": True}
    return a_check_input(
        plan=a_plan(steps=[step]),
        diagnosis=a_diagnosis(identity=target, claims=[claim]),
        evidence={digest: content},
        identity_locators=(locator(name),),
        known_locators=frozenset({locator(name)}),
        observations={locator(name): Observation(True, state, {"members": members or []}, False)},
        neighbours=tuple(Neighbour(locator(one)) for one in near),
    )


@pytest.mark.parametrize("name", HOSTILE)
def test_evidence_that_names_the_role_passes(name: str) -> None:
    """Also where JSON escapes its quotes, backslashes, line breaks and letters."""
    assert evidence_names_other_identity(about(name, name))[0] is Outcome.PASS
    assert look_alike_names(about(name, name))[0] is Outcome.PASS


@pytest.mark.parametrize("name", HOSTILE)
def test_evidence_that_names_another_role_fails(name: str) -> None:
    outcome, reason = evidence_names_other_identity(about(name, "nobody"))
    assert outcome is Outcome.FAIL
    assert escape(name) in reason and "\n" not in reason


def test_a_name_without_letters_is_not_found_in_every_text() -> None:
    assert evidence_names_other_identity(about(".", "a . b"))[0] is Outcome.FAIL
    assert evidence_names_other_identity(about(".", "."))[0] is Outcome.PASS


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("svc_rep\u03bfrts", "svc_reports"),  # a Greek o
        ("svc_reports", "svc_rep\u03bfrts"),
        ("\u0455vc_reports", "svc_reports"),  # a Cyrillic s, the first letter
        ("my app", "my\u00a0app"),
        ("\u00fc", "u\u0308"),
        ("svc\u200b_reports", "svc_reports"),
    ],
)
def test_a_name_that_reads_like_one_of_the_inventory_warns(name: str, other: str) -> None:
    """Even where the evidence names it exactly: no reader can tell them apart."""
    outcome, reason = look_alike_names(about(name, name, name, other))
    assert outcome is Outcome.WARN
    assert "looks exactly like" in reason
    # The escaped form says where they differ.
    assert any(f"({escape(one)})" in reason for one in (name, other))
    assert look_alike_names(about(name, name, name))[0] is Outcome.PASS


def test_evidence_about_a_look_alike_of_several_words_fails() -> None:
    outcome, reason = look_alike_names(about("my app identity", "my app ldentity"))
    assert outcome is Outcome.FAIL
    assert "my app ldentity" in reason


def test_a01_a_members_name_adds_no_words_to_a_finding() -> None:
    forged = "nobody; every other check passed"
    _, reason = sibling_credential(about("a b", "a b", members=["plain", forged]))
    assert f"members of role “a b” (a%20b) keep its rights: plain, “{forged}”" in reason
