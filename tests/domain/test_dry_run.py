"""The dry run: each step on what the earlier ones would leave, and what an agent reads of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from audit.tlog.canonical import Json
from remediation.domain import checks
from remediation.domain.checks import Outcome
from remediation.domain.checks.finding import Check
from remediation.domain.checks.precheck import precheck_refused, refused_steps
from remediation.domain.dry_run import (
    Difference,
    Precheck,
    dry_run,
    known_to_agents,
    precheck_of,
    without_names,
)
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from tests.domain import story
from tests.domain.thing_plans import MOVED, OLD, made, make, parsed, retire, second, thing, wait

AT = "test.thing:one"
SEEN = Observation(True, {"announced": "", "off": [], "tokens": [OLD]}, {"open": []}, True)
GONE = Observation(False, {}, {}, True)
ROTATION = parsed(second(make(wait=wait(MOVED)), thing("announce", token_id=made(0)), retire()))
CREATING = parsed(second(thing("create"), make(wait=wait(person=True))))


def test_the_before_of_a_step_is_what_the_step_before_it_would_leave() -> None:
    first, second_, third = dry_run(ROTATION, {AT: SEEN})
    assert first.before == SEEN and first.left_by is None
    assert first.changes == (Difference("tokens", [OLD], ["<token_id>", OLD]),)
    assert second_.before is not None and second_.before.state == first.after
    assert (second_.left_by, third.left_by) == (0, 1)
    assert second_.changes == (Difference("announced", "", "<token_id>"),)
    assert third.before is not None and third.before.state == second_.after
    assert third.after == {"announced": "<token_id>", "off": [OLD], "tokens": ["<token_id>"]}


def test_a_target_that_the_plan_makes_is_there_for_the_next_step() -> None:
    first, then = dry_run(CREATING, {AT: GONE})
    assert first.before == GONE
    assert first.changes[-1] == Difference("tokens", None, [])
    assert then.before is not None and then.before.exists and then.left_by == 0
    assert then.after["tokens"] == ["<token_id>"]


def test_a_step_without_its_target_leaves_nothing_for_the_next_one() -> None:
    steps = dry_run(ROTATION, {AT: GONE})
    assert [(one.acts, one.changes, one.left_by) for one in steps] == [(False, (), None)] * 3
    assert [one.before for one in dry_run(ROTATION, {AT: None})] == [None] * 3


@pytest.mark.parametrize(
    ("plan", "seen", "refused", "results"),
    [
        (ROTATION, SEEN, {}, ["not_refused"] * 3),
        (ROTATION, SEEN, {1: "no"}, ["not_refused", "refused", "not_refused"]),
        (ROTATION, GONE, {}, ["refused"] * 3),
        (ROTATION, None, {}, ["not_looked_at"] * 3),
        (CREATING, GONE, {}, ["not_refused"] * 2),
        (CREATING, SEEN, {}, ["refused", "not_refused"]),
    ],
)
def test_the_precheck_of_each_step_is_told_in_words(
    plan: Plan, seen: Observation | None, refused: dict[int, str], results: list[str]
) -> None:
    steps = dry_run(plan, {AT: seen})
    prechecks = {one.step.index: refused.get(one.step.index, "") for one in steps if one.before}
    given = replace(story.a_check_input(), plan=plan, prechecks=prechecks)
    outcome, reason = precheck_refused(given)
    found = [Check("precheck_refused", outcome, reason)]
    assert [precheck_of(one, found) for one in steps] == results
    # Without the check there is no answer; "not refused" is one.
    assert Precheck.NOT_REFUSED not in [precheck_of(one, []) for one in steps]


def test_each_refused_step_is_named_however_many_there_are() -> None:
    """The reason of one step cannot take the others out of the list."""
    names = [f"t{number}" for number in range(9)]
    plan = parsed(second(*(make(name) for name in names)))
    given = replace(
        story.a_check_input(), plan=plan, prechecks={index: f"why {index}" for index in range(9)}
    )
    outcome, reason = precheck_refused(given)
    assert outcome is Outcome.FAIL and refused_steps(reason) == frozenset(range(9))
    assert "why 4" in reason and "why 5" not in reason
    assert refused_steps("Every step passes.") == frozenset()


def test_a_step_that_was_not_looked_at_does_not_count_as_passed() -> None:
    given = replace(story.a_check_input(), plan=ROTATION, prechecks={0: "", 2: ""})
    assert precheck_refused(given) == (
        Outcome.PASS,
        "Not looked at: step 2. Every other step passes.",
    )
    nothing = replace(given, prechecks={})
    assert "passes" not in precheck_refused(nothing)[1]


def test_that_a_target_to_be_made_is_absent_is_no_finding() -> None:
    given = replace(story.a_check_input(), plan=CREATING, observations={AT: GONE})
    assert checks.CHECKS["target_unobservable"](given)[0] is Outcome.PASS
    absent = replace(given, plan=ROTATION)
    assert checks.CHECKS["target_unobservable"](absent)[0] is Outcome.FAIL


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, True),
        (3, 3),
        (None, None),
        ("", ""),
        (OLD, OLD),
        ("<token_id>", "<token_id>"),
        ("tk-of-somebody-else", "{value}"),
        ([OLD, "tk-of-somebody-else"], [OLD, "{value}"]),
        ({"role": "admin"}, "{value}"),
    ],
)
def test_an_agent_reads_no_name_that_only_the_target_has(value: Json, said: Json) -> None:
    assert without_names(value, known_to_agents(ROTATION)) == said


def test_values_that_the_catalogue_declares_are_said() -> None:
    known = known_to_agents(story.a_plan())
    assert "app_orders" in known
    key = {"account": "123456789012", "user": "u", "access_key_id": "AKIAIOSFODNN7EXAMPLE"}
    step: Json = {
        "action": "aws.iam.deactivate_access_key",
        "target": {"kind": "aws.iam.access_key", **key},
        "parameters": {},
    }
    plan = parsed({"version": 1, "environment": "production", "steps": [step]})
    assert {"Active", "Inactive"} <= known_to_agents(plan)
