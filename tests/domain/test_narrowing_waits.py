"""Narrowing plans of version 2: what is left keeps its order, its waits and its references."""

from __future__ import annotations

from typing import Any

import pytest

from audit.tlog.canonical import Json
from remediation.domain.errors import BadInput
from remediation.domain.narrowing import Kept, keep, why_wider
from remediation.domain.plan import Plan
from tests.domain.story import plan_json
from tests.domain.thing_plans import (
    MOVED,
    OLD,
    QUIET,
    made,
    make,
    parsed,
    retire,
    second,
    thing,
    wait,
)
from tests.every import every

# create a; make b; announce its token on c; wait for b; retire b's old one; create d
WHOLE = parsed(
    second(
        thing("create", "a"),
        make("b"),
        thing("announce", "c", token_id=made(1), wait=wait({**MOVED, "step": 1})),
        retire("b", wait=wait(person=True)),
        thing("create", "d"),
    )
)


def kept(*steps: int) -> Plan:
    return keep(
        WHOLE,
        [Kept(one, WHOLE.steps[one % 5].parameters) for one in steps],
        protected=frozenset(),
        allow_test=True,
    )


@every("steps", [(0, 1, 2, 3, 4), (1, 2, 3, 4), (1, 2, 3), (0, 1, 2), (1, 2), (1,), (0, 1)])
def test_steps_that_are_left_are_numbered_anew(steps: tuple[int, ...]) -> None:
    new = kept(*steps)
    assert why_wider(WHOLE, new) == ""
    assert new.version == 2 and new.order == WHOLE.order
    place = {old: now for now, old in enumerate(steps)}
    if 2 in place:
        announced = new.steps[place[2]]
        assert announced.parameters == {"token_id": made(place[1])}
        assert announced.wait is not None
        assert announced.wait.conditions[0].step == place[1]


@every(
    "steps",
    [
        (0, 2, 3, 4),  # what is announced is not made
        (2,),
        (0, 1, 3),  # nothing waits before the old one is retired
        (1, 3, 4),
        (3, 4),  # nothing is delivered to move to
        (0,),
        (2, 1),
        (5,),
        (-1,),
        (),
    ],
)
def test_what_is_left_must_be_a_plan(steps: tuple[int, ...]) -> None:
    with pytest.raises(BadInput):
        kept(*steps)


def test_a_step_that_is_kept_twice_is_not_narrower() -> None:
    assert why_wider(WHOLE, kept(1, 1))


def test_a_wait_between_steps_that_are_left_stays() -> None:
    old = parsed(second(thing("create", "a", wait=wait(person=True)), thing("create", "b"),
                        thing("create", "c"), order="none"))  # fmt: skip
    without = parsed(second(thing("create", "b"), thing("create", "c"), order="none"))
    assert why_wider(old, without) == "it does not wait after what was step 1"
    last = parsed(second(thing("create", "a", wait=wait(person=True)), order="none"))
    assert why_wider(old, last) == ""
    end = parsed(second(thing("create", "a"), thing("create", "b", wait=wait(person=True)),
                        order="none"))  # fmt: skip
    first = parsed(second(thing("create", "a"), order="none"))
    assert why_wider(end, first) == ""


ROTATION = (make(wait=wait(MOVED)), retire())


@every(
    "new",
    [
        second(make(wait=wait(person=True)), retire()),
        second(make(wait=wait(MOVED, person=True)), retire()),
        second(make(wait=wait(MOVED, QUIET)), retire()),
        second(make(wait=wait(MOVED, within_s=3_599)), retire()),
        second(make(wait=wait(MOVED)), retire(wait=wait(person=True))),
        second(make("two", wait=wait(MOVED)), retire("two")),
        second(make(wait=wait(MOVED)), thing("retire", token_id="tk-000000000001")),
        second(make(), order="cut_first") | {"order": "move_first"},
    ],
)
def test_another_wait_or_parameter_is_not_narrower(new: Any) -> None:
    assert why_wider(parsed(second(*ROTATION)), parsed(new))


def test_another_order_or_version_is_not_narrower() -> None:
    old = parsed(second(retire(), make("two"), order="cut_first"))
    same = parsed(second(retire(), order="cut_first"))
    assert why_wider(old, same) == ""
    none = parsed(second(retire(), order="none"))
    assert why_wider(old, none) == "the order is none, it was cut_first"
    one, two = parsed(plan_json()), parsed(plan_json(version=2, order="none"))
    assert why_wider(one, two) and why_wider(two, one)


def test_a_reference_to_another_maker_is_not_narrower() -> None:
    def announcing(maker: int) -> Plan:
        return parsed(second(make("a"), make("b"), thing("announce", "c", token_id=made(maker))))

    assert why_wider(announcing(0), announcing(0)) == ""
    assert why_wider(announcing(0), announcing(1))
    value: Json = OLD
    literal = parsed(second(make("a"), make("b"), thing("announce", "c", token_id=value)))
    assert why_wider(announcing(0), literal) and why_wider(literal, announcing(0))
