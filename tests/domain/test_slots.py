"""Slots: their words, who may fill one, and when one ruling's slots cover another's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.errors import BadInput
from remediation.domain.slots import (
    LEAD,
    OWNERS,
    ROLES,
    SLOTS,
    Asked,
    Owner,
    Team,
    covers,
    fits,
    left_open,
    owners_of,
    role_of,
)
from tests.every import every

ASKED = Asked(
    slots=("security", "service_owner:1", "service_owner:2"),
    direct=frozenset({"orders", "billing"}),
    owned={"service_owner:1": frozenset({"billing"}), "service_owner:2": frozenset({"ledger"})},
)
TEAMS = tuple(Team(f"team {n}", (f"service {n}",)) for n in range(6))


def test_a_slot_asks_for_a_role() -> None:
    assert {slot: role_of(slot) for slot in SLOTS} == {
        "security": "security",
        "service_owner": "service_owner",
        "any": "any",
        "lead": "lead",
        **dict.fromkeys(OWNERS, "service_owner"),
    }


@every(
    ("slot", "roles", "rights", "may"),
    [
        ("security", {"security"}, {"orders"}, True),
        # One affected service is enough; today's rule before asked for every one of them.
        ("security", {"security"}, {"billing"}, True),
        ("security", {"security"}, {"ledger"}, False),
        ("security", {"security"}, set(), False),
        ("security", {"service_owner"}, {"orders"}, False),
        ("any", {"service_owner"}, {"orders"}, True),
        ("any", {"lead", "auditor"}, {"orders"}, False),
        ("service_owner", {"service_owner"}, {"orders"}, True),
        ("service_owner:1", {"service_owner"}, {"billing"}, True),
        ("service_owner:1", {"service_owner"}, {"orders"}, False),
        ("service_owner:1", {"security"}, {"billing"}, False),
        # A service downstream, on which a right counts for its own slot only.
        ("service_owner:2", {"service_owner"}, {"ledger"}, True),
        ("service_owner:3", {"service_owner"}, {"orders", "billing", "ledger"}, False),
        ("lead", {"lead"}, set(), True),
        ("lead", {"security", "service_owner"}, {"orders"}, False),
    ],
)
def test_role_and_right_together_fill_a_slot(
    slot: str, roles: set[str], rights: set[str], may: bool
) -> None:
    assert ASKED.may_fill(slot, roles, rights) is may


@every("slot", SLOTS)
def test_without_a_known_service_the_role_is_enough_but_for_an_owner_of_named_services(
    slot: str,
) -> None:
    nothing_known: Asked[str] = Asked((slot,))
    expected = slot not in OWNERS
    assert nothing_known.may_fill(slot, {*ROLES, LEAD}, set()) is expected


@given(st.sets(st.sampled_from([*ROLES, LEAD, "auditor"])), st.sets(st.sampled_from("abc")))
def test_nobody_fills_a_slot_of_another_role(roles: set[str], rights: set[str]) -> None:
    asked = Asked(SLOTS, frozenset("ab"), {"service_owner:1": frozenset("c")})
    assert all(fits(slot, roles) for slot in asked.fitting(roles, rights))


def test_a_role_counts_in_a_slot_or_by_a_direct_service() -> None:
    assert ASKED.counting({"service_owner"}, {"ledger"}) == {"service_owner"}
    # Of a service that is affected and whose owner is not asked: no slot, but a say.
    assert ASKED.fitting({"service_owner"}, {"orders"}) == ()
    assert ASKED.counting({"service_owner"}, {"orders"}) == {"service_owner"}
    assert ASKED.counting({"security", "service_owner"}, {"ledger"}) == {"service_owner"}
    assert ASKED.counting({"lead", "auditor"}, {"orders"}) == frozenset()


def asks(*slots: str, teams: tuple[str, ...] = ()) -> tuple[tuple[str, ...], tuple[Owner, ...]]:
    return slots, owners_of(Team(team, ("x",)) for team in teams)


@every(
    ("have", "need", "expected"),
    [
        (asks("security", "any"), asks("any"), True),
        (asks("any"), asks("security"), False),
        (asks("service_owner:1", teams=("a",)), asks("service_owner"), True),
        (asks("service_owner"), asks("service_owner:1", teams=("a",)), False),
        (
            asks("service_owner:1", "service_owner:2", teams=("a", "b")),
            asks("service_owner:1", teams=("b",)),
            True,
        ),
        (asks("service_owner:1", teams=("a",)), asks("service_owner:1", teams=("b",)), False),
        (
            asks("service_owner:1", teams=("a",)),
            asks("service_owner:1", "service_owner", teams=("a",)),
            False,
        ),
        (asks("security", "lead"), asks("security", "service_owner:1", "service_owner:2",
                                         teams=("a", "b")), True),
        (asks("security", "lead"), asks("security", "lead"), True),
        (asks("lead"), asks("security", "lead"), False),
        (asks("security", "lead"), asks("security", "any", "lead"), False),
        (
            asks("security", "service_owner:1", "service_owner:2", teams=("a", "b")),
            asks("security", "lead"),
            False,
        ),
    ],
)  # fmt: skip
def test_slots_cover_those_that_ask_for_no_more(have, need, expected) -> None:  # type: ignore[no-untyped-def]
    assert covers(have, need) is expected


def test_there_are_as_many_owners_slots_as_numbers() -> None:
    found = owners_of(TEAMS)
    assert [owner.slot for owner in found] == list(OWNERS)
    assert [owner.team for owner in found] == [team.team for team in TEAMS[:4]]
    assert [Owner.from_json(owner.to_json()) for owner in found] == list(found)
    assert [Team.from_json(team.to_json()) for team in TEAMS] == list(TEAMS)


@every(
    "change",
    [{"slot": "service_owner"}, {"slot": "service_owner:5"}, {"team": ""}, {"services": []},
     {"services": "x"}, {"more": 1}],
)  # fmt: skip
def test_an_owner_of_another_shape_is_refused(change: dict[str, object]) -> None:
    stated = owners_of(TEAMS)[0].to_json() | change
    with pytest.raises(BadInput):
        Owner.from_json(stated)  # type: ignore[arg-type]


def test_each_approval_takes_one_slot() -> None:
    assert left_open(("security", "any", "any"), ["any", "lead"]) == ("security", "any")
