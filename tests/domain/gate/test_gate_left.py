"""Step 6 for several steps on one target: drift is what the plan's own steps did not leave."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain import catalogue
from remediation.domain.catalogue.spec import Change, Op
from remediation.domain.errors import BadValue, GateRefused, Next, TargetUnobservable
from remediation.domain.gate.evidence import WAITING, Evidence
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import (
    Observation,
    Pinned,
    Unobservable,
    parse_pin,
    pin,
)
from remediation.domain.plan import Plan
from remediation.domain.plan_order import delivered_before
from tests.domain.gate import verifying
from tests.domain.story import APPROVED, NOW
from tests.domain.thing_plans import (
    MOVED,
    NEW,
    OLD,
    made,
    make,
    parsed,
    retire,
    rotate,
    second,
    thing,
    wait,
)
from tests.domain.waited import BEFORE, LOCATOR, MADE, a_rotation, rotation_story, rule, waited
from tests.every import every

ABSENT = Observation(False, {}, {}, True)


def verify(evidence: Evidence) -> Clearance:
    return verifying.verify(evidence, allow_test=True)


def refused(evidence: Evidence) -> str:
    with pytest.raises(GateRefused) as found:
        verify(evidence)
    return found.value.name


def seen(exists: bool = True, locator: str = LOCATOR, **state: Json) -> Pinned:
    return Pinned(locator, exists, {**MADE.state, **state} if exists else {})


@every(
    ("observed", "name"),
    [
        (seen(tokens=[OLD]), "drift"),  # as it was approved, before the first step
        (seen(tokens=[NEW]), "drift"),
        (seen(tokens=[OLD, NEW, "tk-ffffffffffff"]), "drift"),
        (seen(tokens=[OLD, "tk-ffffffffffff"]), "drift"),
        (seen(off=[OLD]), "drift"),
        (seen(announced=NEW), "drift"),
        (seen(more=1), "drift"),
        (seen(False), "target_gone"),
        (seen(locator="test.thing:two"), "target_unobservable"),
    ],
)  # fmt: skip
def test_anything_else_than_what_the_first_step_left_is_drift(observed: Pinned, name: str) -> None:
    if name == "drift" and "more" in observed.state:
        # Other steps may pin other fields of it; these are all that this one pins.
        assert verify(waited(observations=(observed,))).step == 1
        return
    assert refused(waited(observations=(observed,))) == name


def test_what_the_first_step_left_is_no_drift() -> None:
    assert verify(waited(observations=(MADE,))).step == 1


@every(
    ("given", "name"),
    [
        ({}, "drift"),  # the value is not known
        ({0: {"token_id": "tk-ffffffffffff"}}, "drift"),
        ({0: {"token_id": "x"}}, "digest"),
        ({0: {"token_id": NEW + "\n"}}, "digest"),
        ({0: {"token_id": NEW, "other": "x"}}, "digest"),
        ({1: {"token_id": NEW}}, "digest"),
        ({0: {"token_id": NEW}, 1: {}}, "digest"),
    ],
)
def test_what_was_made_must_be_what_an_applied_step_makes(given: Any, name: str) -> None:
    assert refused(waited(made=given)) == name


def story_of(plan: Plan, observation: Observation, **changes: Any) -> Evidence:
    story = rule(rotation_story(plan, observation=observation))
    usual = {"type": WAITING, "database_now": NOW, "worker_now": NOW}
    return story.evidence(**{**usual, **changes})


CREATED = parsed(second(thing("create"), make()))


def test_a_target_that_the_plan_makes_may_be_absent_before() -> None:
    assert verify(story_of(CREATED, ABSENT)).step == 0
    there = seen(tokens=[])
    assert refused(story_of(CREATED, ABSENT, observations=(there,))) == "drift"


def test_a_target_that_the_plan_does_not_make_may_not() -> None:
    plan = parsed(second(make(), order="cut_first") | {"order": "move_first"})
    assert refused(story_of(plan, ABSENT)) == "target_gone"


def test_after_it_was_made_it_is_as_its_maker_says() -> None:
    after = {"step": 1, "applied": (0,), "applied_at": {0: APPROVED}}
    good = seen(tokens=[])
    assert verify(story_of(CREATED, ABSENT, observations=(good,), **after)).step == 1
    for bad, name in (
        (seen(False), "target_gone"),
        (seen(tokens=[OLD]), "drift"),
        (seen(tokens=[], off=[OLD]), "drift"),
    ):
        given = story_of(CREATED, ABSENT, observations=(bad,), **after)
        assert refused(given) == name


def test_what_is_created_again_is_gone_for_a_later_step_when_it_vanished() -> None:
    plan = parsed(second(thing("create"), make(), make("two")))
    both = (Pinned(LOCATOR, False, {}), Pinned("test.thing:two", False, {}))
    assert refused(story_of(plan, ABSENT, observations=both)) == "target_gone"


def test_references_are_resolved_for_what_a_step_left() -> None:
    plan = parsed(second(make(), thing("announce", "two", token_id=made(0)), make("two")))
    before = Observation(True, {"announced": "", "off": [], "tokens": [OLD]}, {}, True)
    after = {
        "step": 2,
        "applied": (0, 1),
        "applied_at": {0: APPROVED, 1: APPROVED},
        "made": {0: {"token_id": NEW}},
    }
    two = Pinned("test.thing:two", True, {"announced": NEW, "off": [], "tokens": [OLD]})
    assert verify(story_of(plan, before, observations=(two,), **after)).step == 2
    old = replace(two, state={**two.state, "announced": ""})
    assert refused(story_of(plan, before, observations=(old,), **after)) == "drift"
    unknown = {**after, "made": {}}
    assert refused(story_of(plan, before, observations=(two,), **unknown)) == "digest"


# -- what was delivered, when the old credential at another target ends ----------------------------

BESIDE = parsed(second(make("two", wait=wait(MOVED)), retire("one")))
TWO = "test.thing:two"
THERE = Pinned(LOCATOR, True, BEFORE.state)


def beside(*observed: Pinned, plan: Plan = BESIDE, **changes: Any) -> Evidence:
    return waited(plan, observations=(THERE, *observed), **changes)


@every(
    ("observed", "name"),
    [
        (seen(locator=TWO, tokens=[OLD]), "drift"),  # the new one was taken away
        (seen(locator=TWO, tokens=[OLD, "tk-ffffffffffff"]), "drift"),
        (seen(locator=TWO, tokens=[OLD, NEW, "tk-ffffffffffff"]), "drift"),
        (seen(locator=TWO, announced="tk-ffffffffffff"), "drift"),
        (seen(locator=TWO, off=[NEW]), "drift"),
        (seen(locator=TWO, more=1), "drift"),
        (seen(False, locator=TWO), "target_gone"),
        (seen(locator="test.thing:three"), "target_unobservable"),
    ],
)
def test_no_old_one_ends_when_the_new_one_is_not_as_the_plan_left_it(
    observed: Pinned, name: str
) -> None:
    assert refused(beside(observed)) == name


def test_a_new_one_that_cannot_be_seen_is_waited_for() -> None:
    away = (Unobservable(TWO, "the store is away"),)
    with pytest.raises(TargetUnobservable, match="the store is away") as found:
        verify(beside(unobservable=away))
    assert found.value.next is Next.RETRY


def test_the_new_one_as_the_plan_left_it_is_no_drift() -> None:
    assert verify(beside(seen(locator=TWO))).step == 1
    # What was there before and ended meanwhile is no new one.
    assert verify(beside(seen(locator=TWO, tokens=[NEW]))).step == 1


def test_a_new_one_that_its_target_ends_by_itself_may_have_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = {"tokens": Change(Op.ADD, made="token_id", lasts=False)}
    spec = BESIDE.steps[0].spec
    used_up = beside(seen(locator=TWO, tokens=[OLD]))
    assert refused(used_up) == "drift"
    monkeypatch.setitem(catalogue._actions, spec.kind, replace(spec, leads_to_from=change))
    assert verify(used_up).step == 1
    assert refused(beside(seen(locator=TWO, tokens=["tk-ffffffffffff"]))) == "drift"


def test_what_was_delivered_counts_only_where_consumers_move_first() -> None:
    """After a cut nothing that becomes of a new one keeps a later step from taking access away."""
    cut = parsed(second(rotate("two", wait=wait(MOVED)), rotate("one"), order="cut_first"))
    assert delivered_before(cut.steps, cut.order, 1) == ()
    assert delivered_before(BESIDE.steps, BESIDE.order, 1) == BESIDE.steps[:1]
    assert delivered_before(BESIDE.steps, BESIDE.order, 0) == ()
    one_target = a_rotation()
    assert delivered_before(one_target.steps, one_target.order, 1) == ()


def test_a_pin_with_two_states_of_one_target_is_refused() -> None:
    """The author of a pin could choose which of them a step is compared with."""
    story = rule(rotation_story(a_rotation()))
    good = story.pin().decode()
    two = good.replace(OLD, "tk-ffffffffffff", 1)
    assert two != good
    assert refused(replace(waited(), pin=two)) == "digest"


def test_the_pin_of_a_step_has_only_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    from remediation.domain import catalogue

    spec = replace(catalogue.ACTIONS["test.thing.retire"], pin_fields=("off", "tokens"))
    monkeypatch.setitem(catalogue._actions, spec.kind, spec)
    plan = a_rotation()
    before = Observation(True, {"announced": "", "off": [], "tokens": [OLD]}, {}, True)
    first, then = parse_pin(pin(plan, {LOCATOR: before}))
    assert set(first.state) == {"announced", "off", "tokens"}
    assert set(then.state) == {"off", "tokens"}
    with pytest.raises(BadValue):
        pin(plan, {LOCATOR: replace(before, state=then.state)})
    # Drift is judged by what the step pins.
    assert verify(waited(observations=(MADE,))).step == 1
    assert verify(waited(observations=(seen(announced="x"),))).step == 1
    assert refused(waited(observations=(seen(off=["x"]),))) == "drift"
