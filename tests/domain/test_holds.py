"""Where a run waits: the plan's waits, and the holds of the ruling by HITL_APPROVAL_MODE."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from audit.tlog.canonical import encode
from remediation.domain import policy
from remediation.domain.conditions import Consumer
from remediation.domain.errors import BadInput
from remediation.domain.holds import Hold, Mode, holds_of, waits_of
from remediation.domain.policy import Requirements, Ruling, tightened
from remediation.domain.scope import Scope, ScopeConsumer
from remediation.domain.waits import Wait
from tests.domain.story import ASSESSED, Story, a_scope
from tests.domain.thing_plans import MOVED, OLD, make, parsed, retire, second, thing, wait
from tests.domain.waited import a_rotation, rotation_story, rule
from tests.every import every

PROPOSAL, STEP = Mode.EVERY_PROPOSAL, Mode.EVERY_STEP
THREE = parsed(
    second(make(wait=wait(MOVED, within_s=7_200)), retire(), thing("announce", token_id=OLD))
)


def test_the_ruling_holds_the_waits_of_the_plan() -> None:
    assert holds_of(THREE, PROPOSAL, 900) == (Hold(0, 7_200, False),)
    assert holds_of(parsed(second(retire(), order="none")), PROPOSAL, 900) == ()


def test_in_every_step_a_person_is_asked_after_each_but_the_last() -> None:
    assert holds_of(THREE, STEP, 900) == (Hold(0, 7_200, True), Hold(1, 900, True))
    assert holds_of(parsed(second(retire(), order="none")), STEP, 900) == ()
    last = parsed(second(retire(wait=wait(person=True, within_s=60)), order="none"))
    assert holds_of(last, STEP, 900) == (Hold(0, 60, True),)
    quiet = {"condition": "old_quiet", "step": 0}
    alone = parsed(second(retire(wait=wait(quiet, within_s=60)), order="none"))
    assert holds_of(alone, STEP, 900) == (Hold(0, 60, False),)


def test_each_hold_has_its_own_time() -> None:
    two = parsed(
        second(
            make(wait=wait(MOVED, within_s=7_200)),
            retire(wait=wait(person=True, within_s=60)),
            thing("announce", token_id=OLD),
        )
    )
    holds = holds_of(two, PROPOSAL, 900)
    assert [hold.within_s for hold in holds] == [7_200, 60]
    assert [waits_of(two, holds)[step].within_s for step in (0, 1)] == [7_200, 60]
    # A shorter time of one tightens the ruling, whatever the other has.
    old, new = (
        replace(BASE, holds=holds),
        replace(BASE, holds=(replace(holds[0]), Hold(1, 59, True))),
    )
    assert (tightened(Ruling(old, ASSESSED), new) or "").startswith("it waits 59 s after step 2")


def test_plan_and_ruling_together_say_where_a_run_waits() -> None:
    own = THREE.steps[0].wait
    assert own is not None
    assert dict(waits_of(THREE, ())) == {0: own}
    both = waits_of(THREE, holds_of(THREE, STEP, 900))
    assert dict(both) == {0: replace(own, person=True), 1: Wait((), True, 900)}
    # A ruling cannot take a person away, and its time counts.
    assert waits_of(a_rotation(person=True), (Hold(0, 60, False),))[0] == Wait((), True, 60)


def test_a_plain_plan_has_the_ruling_that_it_had() -> None:
    story = Story(version=2)
    plain = policy.evaluate(story.facts())
    assert policy.evaluate(story.facts(), plan=story.plan) == plain
    assert (plain.holds, plain.mode) == ((), PROPOSAL)
    body = policy.rule(plain, ASSESSED).body()
    assert b'"holds"' not in body and b'"mode"' not in body


def test_a_ruling_with_holds_reads_back() -> None:
    ruling = rule(rotation_story(), STEP).ruling
    assert ruling is not None
    assert ruling.holds == (Hold(0, 3_600, True),)
    assert ruling.requirements.mode is STEP
    assert Ruling.parse(ruling.body()) == ruling
    assert json.loads(ruling.body())["mode"] == "every_step"


@every(
    "changes",
    [
        {"holds": []},
        {"holds": None},
        {"holds": [{"step": 0, "within_s": 60}]},
        {"holds": [{"step": 16, "within_s": 60, "person": True}]},
        {"holds": [{"step": 0, "within_s": 9, "person": True}]},
        {"holds": [{"step": 0, "within_s": 60, "person": 1}]},
        {"holds": [{"step": n, "within_s": 60, "person": True} for n in (1, 0)]},
        {"holds": [{"step": n, "within_s": 60, "person": True} for n in (0, 0)]},
        {"mode": "every_proposal"},
        {"mode": "never"},
        {"mode": None},
    ],
)
def test_impossible_holds_are_refused(changes: dict[str, Any]) -> None:
    ruling = rule(rotation_story()).ruling
    assert ruling is not None
    with pytest.raises(BadInput):
        Ruling.parse(encode({**ruling.to_json(), **changes}))


BASE = policy.evaluate(Story(version=2).facts())
ONE = replace(BASE, holds=(Hold(0, 60, True), Hold(1, 60, False)))


@every(
    ("new", "why"),
    [
        (replace(ONE, holds=(*ONE.holds, Hold(2, 60, False))), "it waits after step 3"),
        (replace(ONE, holds=(Hold(1, 60, True),)), "it waits after step 2"),
        (replace(ONE, holds=(Hold(0, 59, True),)), "it waits 59 s after step 1, it was 60"),
        (replace(ONE, mode=STEP), "a person is asked after each step"),
    ],
)
def test_more_holds_tighten(new: Requirements, why: str) -> None:
    assert (tightened(Ruling(ONE, ASSESSED), new) or "").startswith(why)


@every(
    "new",
    [
        ONE,
        BASE,
        replace(ONE, holds=(Hold(0, 61, True),)),
        replace(ONE, holds=(Hold(0, 60, False), Hold(1, 60, False))),
    ],
)
def test_fewer_holds_do_not(new: Requirements) -> None:
    assert tightened(Ruling(ONE, ASSESSED), new) is None
    assert tightened(Ruling(replace(ONE, mode=STEP), ASSESSED), new) is None


def test_the_scope_names_consumers_only_where_there_are_any() -> None:
    plain = a_scope()
    assert b"consumers" not in plain.body()
    two = (
        ScopeConsumer("test.thing:two", Consumer("b", "", 0, "reload")),
        ScopeConsumer("test.thing:one", Consumer("a", "x", 60, "restart")),
    )
    scope = replace(plain, consumers=two)
    assert Scope.parse(scope.body()).consumers == (two[1], two[0])
    assert scope.body() == replace(scope, consumers=two[::-1]).body()
    assert scope.digest != plain.digest
    with pytest.raises(BadInput):
        Scope.parse(encode({**plain.to_json(), "consumers": []}))
    with pytest.raises(BadInput):
        Scope.parse(encode({**scope.to_json(), "consumers": [one.to_json() for one in two]}))


def test_the_setting_takes_the_modes() -> None:
    from pathlib import Path

    text = (Path(__file__).parents[2] / "hitlportal" / "settings.py").read_text(encoding="utf-8")
    modes = ", ".join(f'"{mode}"' for mode in Mode)
    assert f'env.choice("HITL_APPROVAL_MODE", ({modes}))' in text
