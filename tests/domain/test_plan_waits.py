"""Plans of version 2: an order, waits, references, and several steps on one target."""

from __future__ import annotations

import json
from typing import Any

import pytest

from audit.tlog.canonical import Json, encode
from remediation.domain.errors import BadInput, BadReference
from remediation.domain.plan import Order, load, resolved, written
from remediation.domain.plan_order import destroys
from remediation.domain.plan_rules import consumed
from remediation.domain.waits import Condition
from tests.domain.story import plan_json
from tests.domain.thing_plans import (
    MOVED,
    NEW,
    OLD,
    QUIET,
    made,
    make,
    parsed,
    restore,
    retire,
    rotate,
    rotation,
    second,
    thing,
    wait,
)
from tests.every import every


def refusal(value: Json) -> tuple[str, str]:
    with pytest.raises(BadInput) as refused:
        parsed(value)
    return refused.value.name, refused.value.pointer


def test_a_rotation_is_parsed_and_its_bytes_load_again() -> None:
    plan = parsed(rotation())
    assert load(plan.body, protected=frozenset(), allow_test=True) == plan
    assert (plan.version, plan.order) == (2, Order.MOVE_FIRST)
    assert plan.steps[0].wait is not None and plan.steps[1].wait is None
    assert list(plan.waits) == [0]
    stored = json.loads(plan.body)
    assert stored["steps"][0]["wait"] == wait(MOVED)
    assert "wait" not in stored["steps"][1]


def test_a_plan_of_version_1_keeps_its_bytes() -> None:
    one = parsed(plan_json())
    assert (one.version, one.order, dict(one.waits)) == (1, Order.NONE, {})
    assert b'"order"' not in one.body and b'"wait"' not in one.body


def test_a_plan_of_version_2_that_says_nothing_new_is_accepted_as_it_is() -> None:
    one, two = parsed(plan_json()), parsed(plan_json(version=2, order="none"))
    assert two.version == 2 and one.digest != two.digest
    assert [step.to_json() for step in one.steps] == [step.to_json() for step in two.steps]


def test_only_what_version_1_cannot_say_is_written_as_version_2() -> None:
    plain, other = thing("create", "a"), thing("create", "b")
    assert written("production", [plain, other])["version"] == 1
    assert written("production", [plain, retire("a")])["version"] == 2
    assert written("production", [plain, plain | {"wait": wait(person=True)}])["version"] == 2
    assert written("production", [plain], Order.CUT_FIRST)["version"] == 2
    referring = thing("announce", "b", token_id=made(0))
    assert written("production", [make("a"), referring])["version"] == 2


@every(
    ("value", "name", "pointer"),
    [
        (second(retire(), order="first"), "bad_value", "/order"),
        (second(retire(), order=1), "wrong_type", "/order"),
        ({"version": 2, "environment": "production", "steps": [retire()]}, "missing_field", ""),
        (plan_json(order="none"), "unknown_field", ""),
        (plan_json(steps=[make(wait=wait(MOVED))]), "unknown_field", "/steps/0"),
        (plan_json(version=3, order="none"), "bad_value", "/version"),
        (rotation(more=1), "unknown_field", ""),
        # waits
        (second(make(wait=wait()), retire()), "bad_value", "/steps/0/wait"),
        (second(make(wait=None), retire()), "wrong_type", "/steps/0/wait"),
        (second(make(wait={**wait(MOVED), "x": 1}), retire()), "unknown_field", "/steps/0/wait"),
        (second(make(wait=wait(MOVED, within_s=9)), retire()), "bad_value",
         "/steps/0/wait/within_s"),
        (second(make(wait=wait(MOVED, within_s=45 * 86_400 + 1)), retire()), "bad_value",
         "/steps/0/wait/within_s"),
        (second(make(wait=wait(MOVED, MOVED)), retire()), "bad_value",
         "/steps/0/wait/conditions/0/condition"),
        (second(make(wait=wait({**MOVED, "step": 1})), retire()), "bad_value",
         "/steps/0/wait/conditions/0/step"),
        (second(make(wait=wait({"condition": "x", "step": 0})), retire()), "bad_value",
         "/steps/0/wait/conditions/0/condition"),
        # The retiring step cannot look for consumers.
        (second(retire(wait=wait(MOVED)), order="cut_first"), "bad_value",
         "/steps/0/wait/conditions/0/condition"),
        # references
        (second(thing("announce", token_id=made(0)), order="none"), "bad_reference",
         "/steps/0/parameters/token_id"),
        (second(thing("announce", token_id=made(1)), make("two")), "bad_reference",
         "/steps/0/parameters/token_id"),
        (second(thing("create"), thing("announce", "two", token_id=made(0)), order="none"),
         "bad_reference", "/steps/1/parameters/token_id"),
        (second(make(), thing("announce", token_id=made(0, "version"))), "bad_reference",
         "/steps/1/parameters/token_id"),
        (second(make(), thing("announce", token_id=made(100, "x"))), "bad_reference",
         "/steps/1/parameters/token_id"),
        (second(make(), thing("announce", token_id={"made_by": True, "name": "token_id"})),
         "wrong_type", "/steps/1/parameters/token_id/made_by"),
        (second(make(), thing("announce", token_id={"made_by": 0})), "wrong_type",
         "/steps/1/parameters/token_id"),
        # This parameter may be no reference.
        (second(make(), thing("retire", token_id=made(0))), "wrong_type",
         "/steps/1/parameters/token_id"),
        (plan_json(steps=[make(), thing("announce", "two", token_id=made(0))]), "wrong_type",
         "/steps/1/parameters/token_id"),
        # targets
        (plan_json(steps=[make(), retire()]), "two_steps_one_target", "/steps/1/target"),
        (second(thing("remove"), thing("create"), order="none"), "two_steps_one_target",
         "/steps/1/target"),
        (second(thing("remove"), make(), retire()), "two_steps_one_target", "/steps/1/target"),
    ],
)  # fmt: skip
def test_everything_else_is_refused_at_its_place(value: Any, name: str, pointer: str) -> None:
    assert refusal(value) == (name, pointer)


@every(
    ("value", "pointer"),
    [
        # move first: the old one ends when nothing was waited for
        (second(make(), retire()), "/steps/1"),
        (second(make(wait=wait(QUIET)), retire()), "/steps/1"),
        (second(make(), retire(wait=wait(person=True))), "/steps/1"),
        (second(retire(wait=wait(person=True)), make()), "/steps/0"),
        (second(thing("create", "two", wait=wait(person=True)), make(), retire()), "/steps/2"),
        # one of two is not waited for
        (second(make(), retire("two"), retire(wait=wait(person=True))), "/steps/1"),
        # the wait was for what another step delivered
        (second(make(wait=wait(MOVED)), retire(), make("two"), retire("two")), "/steps/3"),
        # one slot
        (second(rotate(wait=wait(MOVED))), "/steps/0"),
        (second(rotate(wait=wait(MOVED)), retire("two")), "/steps/0"),
        # nothing to move to
        (second(thing("create")), ""),
        (second(retire(wait=wait(person=True))), ""),
        # cut first: delivered, and cut later
        (second(make(wait=wait(MOVED)), retire(), order="cut_first"), "/steps/1"),
        (second(rotate("a"), retire("b"), order="cut_first"), "/steps/1"),
        (second(thing("create"), order="cut_first"), ""),
        # a new credential, and no order
        (second(make(), order="none"), "/steps/0"),
        (second(rotate(), order="none"), "/steps/0"),
        # deleted at once
        (second(retire(), thing("remove"), order="none"), "/steps/1"),
        (second(rotate(), thing("remove"), order="cut_first"), "/steps/1"),
        (second(make(wait=wait(MOVED)), retire(), thing("remove")), "/steps/2"),
        # taken away and given back
        (second(make(wait=wait(MOVED)), retire(), restore()), "/steps/2"),
        (second(retire(), restore(), order="cut_first"), "/steps/1"),
        (second(retire(), restore(), order="none"), "/steps/1"),
        (second(retire(), retire("two"), restore(), order="none"), "/steps/2"),
        (second(rotate(), restore(), order="cut_first"), "/steps/1"),
    ],
)
def test_a_rotation_in_the_wrong_order_is_refused(value: Any, pointer: str) -> None:
    name, at = refusal(value)
    assert name == "rotation_order"
    assert at == (pointer or "/steps")


@every(
    "value",
    [
        rotation(),
        second(make(wait=wait(person=True)), retire()),
        second(make(wait=wait(MOVED, person=True)), retire()),
        second(make(wait=wait(MOVED, QUIET)), retire()),
        second(make(), thing("create", "two", wait=wait(person=True)), retire()),
        second(make(), thing("create", "two", wait=wait(MOVED)), retire()),
        second(make()),
        second(make(wait=wait(MOVED))),
        second(retire(), make(wait=wait({**MOVED, "step": 1})), order="cut_first"),
        second(rotate("a"), rotate("b"), order="cut_first"),
        second(make("a"), rotate("b"), order="cut_first"),
        second(retire(wait=wait(QUIET)), order="none"),
        second(retire(), order="cut_first"),
        second(rotate(wait=wait(MOVED)), order="cut_first"),
        second(rotate(), retire("two"), order="cut_first") | {"steps": [retire("two"), rotate()]},
        second(retire(), thing("remove", "two"), order="none"),
        second(make(), thing("announce", token_id=made(0))),
        second(make(), thing("announce", "two", token_id=made(0), wait=wait(MOVED))),
        second(thing("create", wait=wait(person=True)), order="none"),
        second(thing("create"), make(wait=wait({**MOVED, "step": 1}))),
        second(restore(), retire(), order="none"),
        second(retire(), restore("two"), order="none"),
    ],
)
def test_twins_of_the_refused_plans_are_accepted(value: Any) -> None:
    plan = parsed(value)
    assert encode(json.loads(plan.body)) == plan.body


def test_on_a_thing_that_the_plan_makes_only_that_is_pinned_which_its_maker_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from dataclasses import replace

    from remediation.domain import catalogue

    parsed(second(thing("create"), make()))
    spec = replace(catalogue.ACTIONS["test.thing.create"], leads_to={"tokens": []})
    monkeypatch.setitem(catalogue._actions, spec.kind, spec)
    assert refusal(second(thing("create"), make())) == ("two_steps_one_target", "/steps/1/target")


def test_a_reference_is_resolved_with_what_was_made() -> None:
    plan = parsed(second(make(), thing("announce", "two", token_id=made(0))))
    step = resolved(plan.steps[1], {0: {"token_id": NEW}})
    assert step.parameters == {"token_id": NEW}
    assert plan.steps[1].parameters == {"token_id": made(0)}
    assert resolved(plan.steps[0], {}) is plan.steps[0]


@every(
    "made",
    [
        {},
        {0: {}},
        {1: {"token_id": NEW}},
        {0: {"name": NEW}},
        {0: {"token_id": ""}},
        {0: {"token_id": NEW + "\n"}},
        {0: {"token_id": NEW.upper()}},
        {0: {"token_id": f" {NEW}"}},
    ],
)  # fmt: skip
def test_a_reference_to_anything_else_is_not_resolved(made: Any) -> None:
    from tests.domain.thing_plans import made as refers

    plan = parsed(second(make(), thing("announce", "two", token_id=refers(0))))
    with pytest.raises(BadReference) as refused:
        resolved(plan.steps[1], made)
    assert refused.value.pointer == "/steps/1/parameters/token_id"


def test_a_step_that_was_not_parsed_with_its_plan_resolves_nothing() -> None:
    from dataclasses import replace

    plan = parsed(second(make(), thing("announce", "two", token_id=made(0))))
    with pytest.raises(BadReference):
        resolved(replace(plan.steps[1], patterns={}), {0: {"token_id": NEW}})


@every(
    ("steps", "condition", "locators"),
    [
        ([make(), retire()], 0, ["one"]),
        ([make("new"), retire("old")], 0, ["new", "old"]),
        ([make("a2"), retire("a1"), make("b2"), retire("b1")], 0, ["a2", "a1"]),
        ([make("a2"), retire("a1"), make("b2"), retire("b1")], 2, ["b2", "b1"]),
        ([make("a2"), make("b2"), retire("a1"), retire("b1")], 0, ["a2", "a1", "b1"]),
        ([make("a2"), retire("a1"), retire("a0")], 1, ["a1"]),
        ([rotate("a"), rotate("b")], 0, ["a"]),
    ],
)  # fmt: skip
def test_a_condition_is_about_the_consumers_of_what_is_retired_for_it(
    steps: list[dict[str, Json]], condition: int, locators: list[str]
) -> None:
    waits = [{**step, "wait": wait(person=True)} for step in steps]
    try:
        plan = parsed(second(*waits))
    except BadInput:
        plan = parsed(second(*waits, order="cut_first"))
    found = consumed(plan.steps, Condition("consumers_moved", condition))
    assert found == tuple(f"test.thing:{name}" for name in locators)


@every(
    ("action", "expected"),
    [
        ("aws.access_key.delete", True),
        ("openbao.secret_id.destroy", True),
        ("test.thing.remove", True),
        ("x.delete_key", True),
        ("x.undeleted", False),
        ("x.deleted", False),
        ("postgres.role.disable", False),
        ("x.y.terminate", False),
    ],
)
def test_what_destroys_has_it_in_its_name(action: str, expected: bool) -> None:
    assert destroys(action) is expected


def test_the_old_token_is_named_by_value_and_the_new_one_by_reference() -> None:
    body = parsed(second(make(), thing("announce", "two", token_id=made(0)))).body
    assert OLD.encode() not in body
    assert b'"token_id":{"made_by":0,"name":"token_id"}' in body
