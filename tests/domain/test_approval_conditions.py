"""A17, A18: conditions that a hasty approval must meet first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remediation.domain import checks
from remediation.domain.approval_conditions import Conditions, asked, to_type
from remediation.domain.checks import Check, Outcome
from remediation.domain.errors import EvidenceNotOpened, NameNotTyped
from remediation.domain.plan import parse_target
from tests.domain import story

PASSED = (Check("hidden_characters", Outcome.PASS, "None."),)
FAILED = (Check("target_unknown", Outcome.FAIL, "It is not in the inventory."),)


def test_no_condition_below_critical_risk_when_every_check_passed() -> None:
    assert asked(story.a_plan(), story.a_diagnosis(), PASSED, "high") == Conditions()


def test_a_failed_check_requires_opening_every_cited_artefact_once() -> None:
    claim = story.a_diagnosis().claims[0]
    diagnosis = replace(story.a_diagnosis(), claims=(claim, claim))
    found = asked(story.a_plan(), diagnosis, FAILED, "high")
    assert found == Conditions(artefacts=(story.ARTEFACT_SHA,))
    found.check([story.ARTEFACT_SHA, "another"], [])
    with pytest.raises(EvidenceNotOpened, match="1 of 1"):
        found.check(["another"], [])


def test_critical_risk_requires_typing_the_targets_name() -> None:
    found = asked(story.a_plan(), story.a_diagnosis(), PASSED, "critical")
    assert found == Conditions(names=("app_orders",))
    found.check([], ["app_orders"])
    for typed in ([], [""], ["app_order"], ["APP_ORDERS"], ["аpp_orders"], ["app_orders "],
                  ["app_orders", "app_orders"]):  # fmt: skip
        with pytest.raises(NameNotTyped):
            found.check([], typed)


def test_two_steps_on_one_target_ask_for_its_name_once() -> None:
    """Two targets of one name, for example on two clusters, are asked for twice."""
    step = story.a_plan().steps[0]
    elsewhere = {"kind": step.target.kind, **step.target.fields, "cluster": "other"}
    other = replace(step, target=parse_target(elsewhere))
    plan = replace(story.a_plan(), steps=(step, replace(step, index=1), other))
    found = asked(plan, story.a_diagnosis(), PASSED, "critical")
    assert found == Conditions(names=("app_orders", "app_orders"))


def test_real_findings_of_the_story_pass() -> None:
    found = checks.run(story.a_check_input())
    assert asked(story.a_plan(), story.a_diagnosis(), found, "high") == Conditions()


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("app_orders", "app_orders"),
        ("billing-sa@acme.iam", "billing-sa@acme.iam"),
        ("my app identity", "my app identity"),
        ("\u00fcn\u00efcode", "\u00fcn\u00efcode"),
        # A keyboard, or the form's field, gives other bytes.
        ("u\u0308", "u%CC%88"),
        ("two\nlines", "two%0Alines"),
        ("a\u200bb", "a%E2%80%8Bb"),
        (" a", "%20a"),
        ("a  b", "a%20%20b"),
        ("a\u00a0b", "a%C2%A0b"),
        ("two%0Alines", "two%250Alines"),
    ],
)
def test_every_name_can_be_typed_and_only_as_it_is(name: str, typed: str) -> None:
    target = parse_target({"kind": "postgres.role", "cluster": "billing", "role": name})
    assert to_type(target) == typed
    conditions = Conditions(names=(to_type(target),))
    conditions.check([], [typed])
    for other in {name, typed, "app_order", "svc_rep\u03bfrts"} - {typed}:
        with pytest.raises(NameNotTyped):
            conditions.check([], [other])
