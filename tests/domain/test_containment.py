"""Contained: the incident's own identity, every place, and when the worker looks again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from audit.tlog.canonical import Json
from remediation.domain.containment import (
    Found,
    Missing,
    Seen,
    SeenPlace,
    Why,
    found,
    look_due,
    missing,
    places,
)
from remediation.domain.plan import parse
from tests import factories

T = "test.target:t1"
AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def seen(*pairs: tuple[str, bool | None], still: tuple[str, ...] = ()) -> Seen:
    return Seen([SeenPlace(name, without, still).to_json() for name, without in pairs], AT)


PLAN = factories.plan("t2", "t1")


def test_every_place_without_access_lacks_nothing() -> None:
    assert missing(PLAN, T, {1: seen(("a", True), ("b", True))}, AT) == ()


@pytest.mark.parametrize(
    ("locator", "verified", "lacks"),
    [
        ("test.target:t9", {1: seen(("a", True))}, Missing(Why.NOT_ACTED_ON)),
        (T, {}, Missing(Why.NO_PLACES)),
        # The places of another step prove nothing.
        (T, {0: seen(("a", True))}, Missing(Why.NO_PLACES)),
        (T, {1: Seen(None, AT)}, Missing(Why.NO_PLACES)),
        (T, {1: Seen([], AT)}, Missing(Why.NO_PLACES)),
        (T, {1: Seen("all", AT)}, Missing(Why.NO_PLACES)),
        (T, {1: seen(("a", True), ("b", False))}, Missing(Why.PLACE_ACCESS, "b")),
        (T, {1: seen(("a", True), ("b", None))}, Missing(Why.PLACE_UNREAD, "b")),
        (T, {1: Seen([7], AT)}, Missing(Why.PLACE_UNREAD, "?")),
        (T, {1: Seen([{"without_access": "yes"}], AT)}, Missing(Why.PLACE_UNREAD, "?")),
        (
            T,
            {1: seen(("a", True), still=("session 7",))},
            Missing(Why.PLACE_ACCESS, "a", ("session 7",)),
        ),
    ],
)
def test_what_is_missing_is_named(locator: str, verified: dict[int, Seen], lacks: Missing) -> None:
    assert missing(PLAN, locator, verified, AT) == (lacks,)


def test_what_was_seen_long_before_the_end_of_the_run_is_missing_with_its_time() -> None:
    """A68."""
    verified = {1: seen(("a", True))}
    assert missing(PLAN, T, verified, AT + timedelta(seconds=60)) == ()
    late = missing(PLAN, T, verified, AT + timedelta(seconds=61))
    assert late == (Missing(Why.SEEN_TOO_EARLY, at=AT),)


def test_an_action_that_takes_no_access_away_contains_nothing() -> None:
    from remediation.domain.catalogue import ACTIONS, TARGETS

    spec = next(spec for spec in ACTIONS.values() if spec.grants_access)
    target: Json = {"kind": spec.target_kind, **TARGETS[spec.target_kind].example}
    plan = parse(
        {
            "version": 1,
            "environment": "staging",
            "steps": [{"action": spec.kind, "target": target, "parameters": dict(spec.example)}],
        },
        protected=frozenset(),
    )
    locator = plan.steps[0].target.locator
    assert missing(plan, locator, {0: seen(("a", True))}, AT) == (Missing(Why.NOT_REMOVED),)


def test_one_place_with_access_is_access_and_one_unread_is_unread() -> None:
    def of(*withouts: bool | None) -> Found:
        return found(SeenPlace(str(n), value) for n, value in enumerate(withouts))

    assert of(True, True) is Found.WITHOUT
    assert of(True, None) is Found.UNREAD
    assert of(None, False) is Found.ACCESS
    assert of() is Found.UNREAD
    assert found([SeenPlace("a", None, ("session 7",))]) is Found.ACCESS


def test_places_read_back_as_recorded() -> None:
    given = SeenPlace("server 1", None, ("session 7",))
    assert places([given.to_json()]) == (given,)
    assert places(None) == ()


MIN, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("last", "due"),
    [
        (None, MIN),
        (MIN, 5 * MIN),
        (4 * MIN, 5 * MIN),
        (5 * MIN, 30 * MIN),
        (30 * MIN, 30 * MIN + DAY),
        (31 * MIN, 30 * MIN + DAY),
        (30 * MIN + DAY, 30 * MIN + 2 * DAY),
        # A worker that was away for days looks once, not once for each day.
        (10 * DAY, 30 * MIN + 10 * DAY),
    ],
)
def test_looks_come_at_1_5_and_30_minutes_and_daily(last: timedelta | None, due: timedelta) -> None:
    assert look_due(AT, AT + last if last is not None else None, 0) == AT + due


@pytest.mark.parametrize(
    ("unread", "due"), [(1, MIN), (2, 2 * MIN), (3, 4 * MIN), (7, 60 * MIN), (900, 60 * MIN)]
)
def test_a_look_that_could_not_read_is_repeated_with_back_off(unread: int, due: timedelta) -> None:
    last = AT + 30 * MIN + 2 * DAY
    assert look_due(AT, last, unread) == last + due


def test_a_due_time_comes_even_during_the_back_off() -> None:
    assert look_due(AT, AT + 4 * MIN, 3) == AT + 5 * MIN


def test_a_plan_that_gives_the_access_back_after_it_took_it_contains_nothing() -> None:
    """Version 2 has several steps on one target: the last one that matters counts.

    No plan is parsed that takes access and gives it back; the rule does not rely on that.
    """
    target: Json = {"kind": "postgres.role", "cluster": "db-1", "role": "svc"}
    steps: list[Json] = [
        {"action": f"postgres.role.{name}", "target": target, "parameters": {}}
        for name in ("enable", "disable")
    ]
    taken = parse(
        {"version": 2, "environment": "staging", "order": "none", "steps": steps},
        protected=frozenset(),
    )
    back = tuple(replace(one, index=n) for n, one in enumerate(reversed(taken.steps)))
    for plan, lacks in (
        (replace(taken, steps=back), (Missing(Why.NOT_REMOVED),)),
        (taken, ()),
    ):
        both = {0: seen(("a", True)), 1: seen(("a", True))}
        assert missing(plan, plan.steps[0].target.locator, both, AT) == lacks
