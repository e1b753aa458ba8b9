"""A17, A18: conditions that a hasty approval must meet first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from remediation.domain import checks
from remediation.domain.approval_conditions import Conditions, asked
from remediation.domain.checks import Check, Outcome
from remediation.domain.errors import EvidenceNotOpened, NameNotTyped
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


def test_real_findings_of_the_story_pass() -> None:
    found = checks.run(story.a_check_input())
    assert asked(story.a_plan(), story.a_diagnosis(), found, "high") == Conditions()
