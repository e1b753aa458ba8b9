"""A narrower plan takes effects away and adds none; a partial order (A07).

Each twin differs from a narrower plan in one thing, and is not narrower.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import Json
from remediation.domain import narrowing, plan, policy
from remediation.domain.checks import Check, Outcome
from remediation.domain.errors import BadInput
from remediation.domain.narrowing import Judged, Kept, is_narrower, keep, why_not_counted, why_wider
from remediation.domain.observation import Pinned
from remediation.domain.plan import Plan
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope, ScopeService, ScopeTarget
from remediation.domain.scope_gaps import UNOWNED, sentence
from remediation.domain.slots import Owner
from tests.domain.narrowable import narrowing_test_action
from tests.domain.story import ASSESSED, a_service

NONE: frozenset[str] = frozenset()


@pytest.fixture(autouse=True, scope="module")
def narrowable() -> Iterator[None]:
    """Declare for this module that the test action's parameters narrow, each in its own way."""
    with narrowing_test_action():
        yield


# What a parameter of the test action may be; each of these narrows in its own way.
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "note": st.sampled_from(["a", "b"]),
        "sessions": st.lists(st.sampled_from("abc"), max_size=3),
        "most": st.integers(-1, 3),
        "also_members": st.booleans(),
        "spare_owner": st.booleans(),
    },
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["t1", "t2", "t3", "t4"]), PARAMETERS),
    min_size=1,
    max_size=4,
    unique_by=lambda step: step[0],
)


def a_step(name: str, parameters: Mapping[str, Any] | None = None, **changes: Json) -> Json:
    return {
        "action": "test.noop",
        "target": {"kind": "test.target", "name": name},
        "parameters": dict(parameters or {}),
        **changes,
    }


def role(name: str, action: str = "postgres.role.disable", **changes: Json) -> Json:
    target: Json = {"kind": "postgres.role", "cluster": "ledger", "role": name}
    return {"action": action, "target": target, "parameters": {}, **changes}


def a_plan(*steps: Json, environment: str = "production") -> Plan:
    value: Json = {"version": 1, "environment": environment, "steps": list(steps)}
    return plan.parse(value, protected=NONE, allow_test=True, earlier=True)


PLANS = STEPS.map(lambda steps: a_plan(*(a_step(name, given) for name, given in steps)))


@given(PLANS)
def test_a_plan_is_narrower_than_itself(one: Plan) -> None:
    assert is_narrower(one, one)


@given(PLANS, PLANS)
def test_two_plans_that_are_narrower_than_each_other_are_the_same(one: Plan, two: Plan) -> None:
    if is_narrower(one, two) and is_narrower(two, one):
        assert one.body == two.body


@given(PLANS, st.data())
def test_narrower_twice_is_narrower(one: Plan, data: st.DataObject) -> None:
    two = smaller(one, data)
    three = smaller(two, data)
    assert is_narrower(one, two)
    assert is_narrower(two, three)
    assert is_narrower(one, three)


@given(PLANS, PLANS, PLANS)
def test_narrower_is_transitive_for_any_plans(one: Plan, two: Plan, three: Plan) -> None:
    if is_narrower(one, two) and is_narrower(two, three):
        assert is_narrower(one, three)


@given(PLANS, st.data())
def test_nothing_that_is_really_narrower_can_be_widened_back(
    one: Plan, data: st.DataObject
) -> None:
    two = smaller(one, data)
    assert one.body == two.body or not is_narrower(two, one)


def smaller(old: Plan, data: st.DataObject) -> Plan:
    """Return some of the steps, each with parameters that are no larger."""
    kept = data.draw(
        st.lists(st.sampled_from(range(len(old.steps))), min_size=1, unique=True).map(sorted)
    )
    return keep(
        old,
        [Kept(index, _less(old.steps[index].parameters, data)) for index in kept],
        protected=NONE,
        allow_test=True,
    )


def _less(parameters: Mapping[str, Json], data: st.DataObject) -> dict[str, Json]:
    found: dict[str, Any] = dict(parameters)
    for name, value in list(found.items()):
        if name == "sessions" and value:
            places = st.lists(st.sampled_from(range(len(value))), min_size=1, unique=True)
            found[name] = [value[at] for at in sorted(data.draw(places))]
        elif name == "most" and value > 1:
            found[name] = data.draw(st.integers(1, value))
        elif name == "also_members":
            found[name] = value and data.draw(st.booleans())
        elif name == "spare_owner":
            found[name] = value or data.draw(st.booleans())
    return found


OLD = a_plan(role("a"), role("b"), role("c"))


@pytest.mark.parametrize(
    "steps", [["a"], ["b"], ["c"], ["a", "b"], ["a", "c"], ["b", "c"], ["a", "b", "c"]]
)
def test_every_choice_of_steps_in_their_order_is_narrower(steps: list[str]) -> None:
    assert why_wider(OLD, a_plan(*(role(name) for name in steps))) == ""


@pytest.mark.parametrize(
    "twin",
    [
        a_plan(role("b"), role("a")),  # reordered
        a_plan(role("a"), role("d")),  # another target
        a_plan(role("a"), role("b"), role("c"), role("d")),  # added
        a_plan(role("a", "postgres.role.enable"), role("b")),  # another action
        a_plan(role("a", executor=1), role("b")),  # another version
        a_plan(role("a"), environment="staging"),  # another environment
        a_plan(a_step("a")),
    ],
)
def test_a_twin_that_differs_in_one_thing_is_not_narrower(twin: Plan) -> None:
    assert why_wider(OLD, twin)


FULL: dict[str, Any] = {
    "note": "n", "sessions": ["a", "b", "a"], "most": 5, "also_members": True, "spare_owner": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "narrower"),
    [
        ({"sessions": ["a", "b"]}, True),
        ({"sessions": ["b", "a"]}, True),
        ({"sessions": ["a"]}, True),
        ({"sessions": []}, False),  # can mean "all of them"
        ({"sessions": ["a", "a", "b"]}, False),
        ({"sessions": ["a", "c"]}, False),
        ({"sessions": ["a", "b", "a", "b"]}, False),
        ({"most": 4}, True),
        ({"most": 6}, False),
        ({"most": 0}, False),  # can mean "without a limit"
        ({"most": -1}, False),
        ({"also_members": False}, True),
        ({"spare_owner": True}, True),
        ({"note": "m"}, False),  # nothing declared
        ({"sessions": ["a"], "most": 6}, False),
    ],
)
def test_a_parameter_gets_smaller_only_as_declared(changes: dict[str, Any], narrower: bool) -> None:
    old, new = a_plan(a_step("a", FULL)), a_plan(a_step("a", {**FULL, **changes}))
    assert is_narrower(old, new) is narrower
    if narrower:
        assert not is_narrower(new, old)


@pytest.mark.parametrize("name", FULL)
def test_a_parameter_is_neither_left_out_nor_added(name: str) -> None:
    less = a_plan(a_step("a", {key: FULL[key] for key in FULL if key != name}))
    full = a_plan(a_step("a", FULL))
    assert not is_narrower(full, less)
    assert not is_narrower(less, full)


def test_an_action_that_declares_nothing_keeps_its_parameters() -> None:
    """A step that gives access may be left out; kept, it stays as it is."""
    old = a_plan(role("a"), role("b", "postgres.role.enable"))
    assert is_narrower(old, a_plan(role("a")))
    assert is_narrower(old, a_plan(role("b", "postgres.role.enable")))


def test_what_is_kept_names_steps_of_the_old_plan() -> None:
    for step in (-1, 3):
        with pytest.raises(BadInput):
            keep(OLD, [Kept(step, {})], protected=NONE)
    with pytest.raises(BadInput):
        keep(OLD, [], protected=NONE)


# What was signed, and what counts for the plan that is left.


def target(name: str) -> ScopeTarget:
    return ScopeTarget(f"postgres.role:ledger/{name}", True, "postgres.role", "production", "x")


def service(name: str, number: int) -> ScopeService:
    return a_service(id=number, name=f"s{number}", via=f"postgres.role:ledger/{name}")


def pinned(name: str, **state: Json) -> Pinned:
    return Pinned(f"postgres.role:ledger/{name}", True, {"login": True, **state})


def ruling(**changes: Any) -> Ruling:
    asked = policy.Requirements(1, "high", ("security", "service_owner"), "user_verified", 900,
                                900, ("It reaches production.",))  # fmt: skip
    return Ruling(replace(asked, **changes), ASSESSED)


SLOT = "security"
SIGNED = Judged(
    plan=OLD,
    diagnosis="d" * 64,
    scope=Scope(
        tuple(target(n) for n in "abc"),
        tuple(service(n, i) for i, n in enumerate("abc")),
        ("who uses c",),
    ),
    checks=(Check("one", Outcome.FAIL, ""), Check("two", Outcome.PASS, "")),
    ruling=ruling(),
    pinned=tuple(pinned(n) for n in "abc"),
)
LEFT = Judged(
    plan=a_plan(role("a"), role("b")),
    diagnosis="d" * 64,
    scope=Scope((target("a"), target("b")), (service("a", 0), service("b", 1)), ()),
    checks=(Check("one", Outcome.PASS, ""), Check("two", Outcome.WARN, "")),
    ruling=ruling(),
    pinned=(pinned("a"), pinned("b")),
)


def test_a_narrowing_counts_when_all_behind_it_was_signed() -> None:
    assert why_not_counted(SIGNED, LEFT, SLOT) == ""
    less = ruling(slots=("security", "any"), risk="low")
    assert why_not_counted(SIGNED, replace(LEFT, ruling=less), SLOT) == ""
    assert why_not_counted(SIGNED, replace(LEFT, checks=SIGNED.checks), SLOT) == ""
    gaps = replace(SIGNED, scope=replace(SIGNED.scope, unknown=(sentence(UNOWNED, "abc"),)))
    fewer = replace(LEFT, scope=replace(LEFT.scope, unknown=(sentence(UNOWNED, "ab"),)))
    assert why_not_counted(gaps, fewer, SLOT) == ""
    assert narrowing.ROUND == 1


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"plan": a_plan(role("a"), role("d"))}, "step 2"),
        ({"diagnosis": "e" * 64}, "diagnosis"),
        ({"scope": replace(LEFT.scope, targets=(target("a"), target("d")))}, "scope"),
        ({"scope": replace(LEFT.scope, services=(service("a", 9),))}, "scope"),
        ({"scope": replace(LEFT.scope, services=(
            replace(service("a", 0), payment_path=True),))}, "scope"),
        ({"scope": replace(LEFT.scope, unknown=("who uses a",))}, "unknown"),
        ({"scope": replace(LEFT.scope, unknown=(sentence(UNOWNED, "a"),))}, "unknown"),
        ({"ruling": ruling(risk="critical")}, "risk"),
        ({"ruling": ruling(slots=("security", "service_owner", "any"))}, "slots"),
        ({"ruling": ruling(run_within_s=60)}, "run"),
        ({"ruling": ruling(slots=("any",))}, "nobody else"),
        ({"checks": (Check("two", Outcome.FAIL, ""),)}, "two"),
        ({"pinned": (pinned("a"), pinned("b", login=False))}, "state"),
        ({"pinned": (pinned("a"), pinned("d"))}, "state"),
        ({"pinned": (pinned("a"), replace(pinned("b"), exists=False))}, "state"),
        ({"pinned": (pinned("a"), pinned("b", login=1))}, "state"),
    ],
)  # fmt: skip
def test_a_narrowing_does_not_count_for_what_was_not_signed(
    changes: dict[str, Any], why: str
) -> None:
    assert why in why_not_counted(SIGNED, replace(LEFT, **changes), SLOT)


PAYMENTS = Owner("service_owner:1", "payments", ("s0",))
ORDERS = Owner("service_owner:2", "orders", ("s1", "s2"))


def owned(*owners: Owner) -> Ruling:
    slots = ("security", *(owner.slot for owner in owners))
    return ruling(version=2, slots=slots, owners=owners)


@pytest.mark.parametrize(
    "left",
    [
        # Without the services of payments the slot of the first number is that of orders.
        owned(replace(ORDERS, slot="service_owner:1")),
        owned(replace(PAYMENTS, team="other")),
        owned(replace(PAYMENTS, services=("s0", "s9"))),
    ],
)
def test_a_narrowing_in_an_owners_slot_counts_for_that_team_only(left: Ruling) -> None:
    signed = replace(SIGNED, ruling=owned(PAYMENTS, ORDERS))
    assert why_not_counted(signed, replace(LEFT, ruling=left), SLOT)
    # Control: the same team with fewer services.
    fine = replace(LEFT, ruling=owned(PAYMENTS, replace(ORDERS, services=("s1",))))
    assert why_not_counted(signed, fine, SLOT) == ""


@pytest.mark.parametrize("slot", ["service_owner:2", "service_owner", "any", "lead"])
def test_a81_a_narrowing_in_a_slot_that_is_not_asked_any_more_does_not_count(slot: str) -> None:
    """A81: it filled none, and the database waited for ever for one person fewer."""
    signed = replace(SIGNED, ruling=owned(PAYMENTS, ORDERS))
    left = replace(LEFT, ruling=owned(PAYMENTS))
    assert "not asked any more" in why_not_counted(signed, left, slot)
    # Control: in a slot that is.
    assert why_not_counted(signed, left, "service_owner:1") == ""
