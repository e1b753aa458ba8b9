"""Perform the domain's recipes: add a check, a policy rule, an inventory format.

Each is one function in one file and one entry in a registry. A format of records has a test of its
own: tests/domain/formats/test_recipe.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from remediation.domain import checks, policy
from remediation.domain.checks import Check, CheckInput, Outcome, Result
from remediation.domain.facts import Facts
from remediation.domain.intake import reading
from remediation.domain.intake.documents import decoded
from remediation.domain.intake.place import Place
from remediation.domain.intake.reading import File
from remediation.domain.intake.stated import Options, Said, Stated
from remediation.domain.policy import Demand, Risk
from tests.domain.story import a_check_input, a_plan, a_scope

# ---- a check -------------------------------------------------------------------------------------


def plan_is_long(given: CheckInput) -> Result:
    """Fail on every plan of this test."""
    long = len(given.plan.steps) > 0
    return (Outcome.FAIL, "More than no step.") if long else (Outcome.PASS, "It is short.")


def test_a_check_is_one_function_and_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    before = checks.run(a_check_input())
    monkeypatch.setattr(checks, "CHECKS", {**checks.CHECKS, "plan_is_long": plan_is_long})
    found = checks.run(a_check_input())
    # It runs, it is recorded, and policy asks for more; no other code names it.
    assert found == (*before, Check("plan_is_long", Outcome.FAIL, "More than no step."))
    assert checks.parse(checks.body(found)) == found
    facts = policy.facts(a_plan(), a_scope(), found, {})
    assert "plan_is_long" in facts.failed_checks
    assert "Checks failed: plan_is_long." in policy.evaluate(facts).reasons


# ---- a rule of policy ----------------------------------------------------------------------------


def _staging(given: Facts) -> Demand | None:
    if "staging" not in given.environments:
        return None
    return Demand(Risk.CRITICAL, (policy.SECURITY,), "It reaches staging.")


def test_a_rule_of_policy_is_one_function_and_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = policy.facts(a_plan(), a_scope(), (), {})
    before = policy.evaluate(replace(facts, environments=("staging",)))
    monkeypatch.setattr(policy, "RULES", (*policy.RULES, _staging))
    after = policy.evaluate(replace(facts, environments=("staging",)))
    assert after.reasons == (*before.reasons, "It reaches staging.")
    assert after.risk == "critical"
    assert policy.SECURITY in after.slots


# ---- an inventory format -------------------------------------------------------------------------


def _lines(files: Sequence[File], options: Options) -> Stated:
    """One service a line: its name and the team that owns it."""
    stated = Stated()
    for file in files:
        for number, line in enumerate(decoded(file.content, file.name).splitlines(), 1):
            name, _, team = line.partition(" ")
            stated.service(name, Said(owner_team=team), Place(file.name, f"line {number}"))
    return stated


def test_an_inventory_format_is_one_function_and_one_entry(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "FORMATS", {**reading.FORMATS, "lines": _lines})
    files = [File("services.txt", b"billing money\norders shop\n")]
    stated = reading.read("lines", files, Options())
    assert {name: said.owner_team for name, (said, _) in stated.services.items()} == {
        "billing": "money",
        "orders": "shop",
    }
    assert reading.source("lines", files, Options())["format"] == "lines"
