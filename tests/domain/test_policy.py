"""Policy: rules only ever add; the ruling may only tighten."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import policy
from remediation.domain.catalogue import ACTIONS
from remediation.domain.checks import CHECKS, Check, Outcome
from remediation.domain.errors import BadInput
from remediation.domain.policy import Facts, Risk, Ruling, evaluate, facts, rule, tightened
from remediation.domain.scope import Criticality, Scope, ScopeTarget
from remediation.domain.slots import Team
from tests.domain.story import (
    ASSESSED,
    LOCATOR,
    a_plan,
    a_scope,
    a_service,
    an_observation,
)
from tests.every import every

CALM = Facts(
    actions=("postgres.role.disable",),
    reversible=True,
    environments=("development",),
    criticality="low",
    payment_path=False,
    external_partner=False,
    unknown=(),
    unpinned=(),
    failed_checks=(),
)
BOTH = ("security", "service_owner")

WORDS = st.lists(st.sampled_from(["a", "b", "c"]), max_size=3).map(lambda w: tuple(sorted(set(w))))
FACTS = st.builds(
    Facts,
    actions=st.lists(st.sampled_from([*ACTIONS, "strange"]), min_size=1, max_size=3).map(tuple),
    reversible=st.booleans(),
    environments=st.lists(
        st.sampled_from(["production", "staging", "development", "strange"]), min_size=1
    ).map(tuple),
    criticality=st.sampled_from(Criticality).map(str),
    payment_path=st.booleans(),
    external_partner=st.booleans(),
    unknown=WORDS,
    unpinned=WORDS,
    failed_checks=WORDS,
    owners=st.dictionaries(
        st.sampled_from(["one", "two", "three", "four", "five", "six"]),
        st.sets(st.sampled_from("abc"), min_size=1),
        max_size=6,
    ).map(lambda teams: tuple(Team(t, tuple(sorted(teams[t]))) for t in sorted(teams))),
)


def test_every_proposal_needs_a_person() -> None:
    asked = evaluate(CALM)
    assert (asked.slots, asked.risk, asked.assurance) == (("any",), "low", "user_verified")
    assert (asked.decide_within_s, asked.run_within_s) == (14_400, 900)
    assert asked.reasons == ("Every proposal needs a person.",)


@every(
    ("change", "slots", "risk", "within"),
    [
        ({"environments": ("development", "production")}, BOTH, "high", 1_800),
        ({"environments": ("staging",)}, ("any",), "medium", 3_600),
        ({"environments": ("strange",)}, ("any",), "medium", 3_600),
        ({"payment_path": True}, BOTH, "critical", 900),
        ({"unknown": ("x is not in the inventory",)}, BOTH, "high", 1_800),
        ({"failed_checks": ("hidden_characters",)}, BOTH, "high", 1_800),
        ({"unpinned": ("x",)}, BOTH, "high", 1_800),
        ({"reversible": False}, BOTH, "high", 1_800),
        ({"external_partner": True}, ("any",), "high", 1_800),
        ({"criticality": "medium"}, ("any",), "medium", 3_600),
        ({"criticality": "high"}, ("any",), "high", 1_800),
        ({"criticality": "critical"}, ("any",), "critical", 900),
        ({"actions": ("postgres.role.enable",)}, ("any",), "medium", 3_600),
        ({"actions": ("never.heard.of",)}, ("any",), "medium", 3_600),
    ],
)
def test_each_fact_adds_its_requirement(
    change: dict[str, Any], slots: tuple[str, ...], risk: str, within: int
) -> None:
    asked = evaluate(replace(CALM, **change))
    assert (asked.slots, asked.risk, asked.decide_within_s) == (slots, risk, within)
    assert len(asked.reasons) == 2


def asks_no_less(more: policy.Requirements, less: policy.Requirements) -> bool:
    return tightened(Ruling(more, ASSESSED), less) is None


@given(FACTS, FACTS)
def test_the_strictest_of_two_sets_of_facts_asks_no_less_than_each(one: Facts, two: Facts) -> None:
    both = evaluate(one.strictest(two))
    assert asks_no_less(both, evaluate(one))
    assert asks_no_less(both, evaluate(two))
    assert one.strictest(two) == two.strictest(one)


@given(FACTS)
def test_there_is_always_a_slot_and_a_reason(given_facts: Facts) -> None:
    asked = evaluate(given_facts)
    assert asked.slots
    assert len(asked.reasons) >= 1
    assert asked.decide_within_s == policy.DECIDE_WITHIN_S[Risk(asked.risk)]


@given(FACTS)
def test_facts_and_rulings_read_back_from_their_bytes(given_facts: Facts) -> None:
    assert Facts.parse(given_facts.body()) == given_facts
    ruling = rule(evaluate(given_facts), ASSESSED)
    assert Ruling.parse(ruling.body()) == ruling
    for broken in (ruling.body() + b" ", b"{}", b"\xff"):
        with pytest.raises(BadInput):
            Ruling.parse(broken)
    with pytest.raises(BadInput):
        Facts.parse(given_facts.body() + b" ")


@every(
    ("field", "value"),
    [("slots", ["root"]), ("slots", "any"), ("risk", "none"), ("assurance", "password"),
     ("decide_within_s", 0), ("decide_by", "soon"), ("version", 0)],
)  # fmt: skip
def test_a_ruling_of_another_shape_is_refused(field: str, value: Any) -> None:
    document = rule(evaluate(CALM), ASSESSED).to_json() | {field: value}
    with pytest.raises(BadInput):
        Ruling.from_json(document)


def test_the_facts_come_from_plan_scope_checks_and_observations() -> None:
    failed = (Check("hidden_characters", Outcome.FAIL, "x"), Check("y", Outcome.WARN, "x"))
    scope = a_scope(
        services=(
            a_service(criticality="critical", payment_path=True, environment="staging"),
            a_service(id=8, external_partner=True),
        ),
        unknown=("no owner for x",),
    )
    found = facts(a_plan(), scope, failed, {LOCATOR: None})
    assert found == Facts(
        actions=("postgres.role.disable",),
        reversible=True,
        environments=("production", "staging"),
        criticality="critical",
        payment_path=True,
        external_partner=True,
        unknown=("no owner for x", f"{LOCATOR} could not be observed"),
        unpinned=(),
        failed_checks=("hidden_characters",),
        owners=(Team("orders team", ("orders",)),),
    )


@pytest.mark.parametrize(
    "scope",
    [
        Scope((), (), ()),
        Scope((ScopeTarget(LOCATOR, False, "", "", ""),), (), ()),
        Scope(
            (ScopeTarget("postgres.role:x/y", True, "postgres.role", "development", ""),), (), ()
        ),
    ],
)
def test_a_scope_without_the_target_counts_as_unknown(scope: Scope) -> None:
    found = facts(a_plan(environment="development"), scope, (), {LOCATOR: an_observation()})
    assert found.unknown == (f"{LOCATOR} is not in the inventory",)
    assert evaluate(found).slots == BOTH


@every("name", CHECKS)
def test_any_failed_check_asks_for_two_roles(name: str) -> None:
    development = a_plan(environment="development")
    target = ScopeTarget(LOCATOR, True, "postgres.role", "development", "team")
    scope = Scope((target,), (), ())
    calm = facts(development, scope, (Check(name, Outcome.PASS, ""),), {})
    failed = facts(development, scope, (Check(name, Outcome.FAIL, ""),), {})
    assert evaluate(calm).slots == ("any",)
    assert evaluate(failed).slots == BOTH
    assert any(name in reason for reason in evaluate(failed).reasons)


def test_a45_facts_that_were_loosened_for_a_minute_rule_by_their_strictest_value() -> None:
    """The services pass the strictest scope of 24 h, so loosening now changes nothing."""
    strict = replace(CALM, payment_path=True, environments=("production",))
    loosened = CALM
    assert evaluate(strict.strictest(loosened)) == evaluate(strict)
    assert evaluate(loosened.strictest(strict)) == evaluate(strict)


# --- the ruling


def test_the_deadline_is_fixed_by_the_first_assessment_and_only_comes_earlier() -> None:
    calm, hot = evaluate(CALM), evaluate(replace(CALM, payment_path=True))
    first = rule(calm, ASSESSED)
    assert first.decide_by == ASSESSED + timedelta(seconds=14_400)
    later = ASSESSED + timedelta(hours=1)
    assert rule(calm, later, earlier=first).decide_by == first.decide_by
    assert rule(hot, later, earlier=first).decide_by == later + timedelta(seconds=900)


@every(
    ("change", "word"),
    [
        ({"slots": ("security",)}, "slots"),
        ({"slots": ("any", "any")}, "slots"),
        ({"risk": "medium"}, "risk"),
        ({"decide_within_s": 60}, "decision"),
        ({"run_within_s": 60}, "run within"),
        ({"assurance": "two_keys"}, "assurance"),
    ],
)
def test_a32_any_added_requirement_tightens_the_ruling(change: dict[str, Any], word: str) -> None:
    asked = evaluate(CALM)
    reason = tightened(Ruling(asked, ASSESSED), replace(asked, **change))
    assert reason is not None and word in reason


@pytest.mark.parametrize("slots", [("any",), ("security",), ("any", "any"), BOTH])
def test_a_ruling_that_asked_for_more_covers_less(slots: tuple[str, ...]) -> None:
    asked = replace(evaluate(CALM), slots=(*BOTH, "any"), risk="critical")
    assert tightened(Ruling(asked, ASSESSED), replace(asked, slots=slots, risk="low")) is None


def test_two_of_anyone_do_not_cover_one_of_each_role() -> None:
    asked = replace(evaluate(CALM), slots=("any", "any"))
    assert tightened(Ruling(asked, ASSESSED), replace(asked, slots=BOTH)) is not None


def test_a_ruling_without_slots_covers_nothing() -> None:
    asked = evaluate(CALM)
    assert tightened(Ruling(replace(asked, slots=()), ASSESSED), asked) is not None


def teams(number: int) -> tuple[Team, ...]:
    return tuple(Team(f"team {n}", (f"service {n}",)) for n in range(number))


def test_an_owner_of_each_team_with_critical_services_is_asked() -> None:
    asked = evaluate(replace(CALM, payment_path=True, owners=teams(3)))
    assert asked.slots == ("security", "service_owner:1", "service_owner:2", "service_owner:3")
    assert [(o.slot, o.team, o.services) for o in asked.owners] == [
        (f"service_owner:{n + 1}", f"team {n}", (f"service {n}",)) for n in range(3)
    ]
    assert asked.reasons[-1] == "Critical services have these owners: team 0, team 1, team 2."


def test_beyond_four_teams_a_lead_stands_in_for_all_of_them() -> None:
    four = evaluate(replace(CALM, payment_path=True, owners=teams(4)))
    assert four.slots == ("security", *(f"service_owner:{n}" for n in range(1, 5)))
    five = evaluate(replace(CALM, payment_path=True, owners=teams(5)))
    assert (five.slots, five.owners) == (("security", "lead"), ())
    assert "5 teams" in five.reasons[-1]


def test_where_one_role_is_asked_no_owner_is() -> None:
    asked = evaluate(replace(CALM, criticality="critical", owners=teams(2)))
    assert (asked.slots, asked.owners) == (("any",), ())


def test_services_on_the_payment_path_and_critical_ones_have_owners_that_are_asked() -> None:
    """Downstream services too: an action reaches them. One without a team names nobody to ask."""
    scope = a_scope(
        services=(
            a_service(name="plain"),
            a_service(id=8, name="pay", payment_path=True, owner_team="pay team"),
            a_service(id=9, name="deep", criticality="critical", owner_team="pay team", depth=3),
            a_service(id=10, name="alone", criticality="critical", owner_team=""),
        )
    )
    found = facts(a_plan(), scope, (), {})
    assert found.owners == (Team("pay team", ("deep", "pay")),)
    assert facts(a_plan(), scope, (), {}, 1).owners == ()


def test_facts_of_the_first_form_are_read_and_keep_their_bytes() -> None:
    first = replace(CALM, version=1)
    assert b"version" not in first.body() and b"owners" not in first.body()
    assert Facts.parse(first.body()) == first
    second = replace(CALM, owners=teams(2))
    assert Facts.parse(second.body()) == second
    for broken in (first.body().replace(b"{", b'{"version":1,', 1), b'{"version":2}'):
        with pytest.raises(BadInput):
            Facts.parse(broken)


def test_a_ruling_names_exactly_the_owners_of_its_slots() -> None:
    ruling = rule(evaluate(replace(CALM, payment_path=True, owners=teams(2))), ASSESSED)
    assert Ruling.parse(ruling.body()) == ruling
    stated = ruling.to_json()
    for broken in (
        stated | {"owners": []},
        stated | {"slots": ["security", "service_owner:2", "service_owner:1"]},
        stated | {"slots": ["security", "service_owner"]},
        stated | {"version": 1},
        {name: value for name, value in stated.items() if name != "owners"},
    ):
        with pytest.raises(BadInput):
            Ruling.from_json(broken)
