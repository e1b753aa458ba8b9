"""The budget of each agent: exact under concurrency, with a correct Retry-After."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pytest_django import Settings

from audit.models import Entry
from remediation import models as m
from remediation.api import throttling
from remediation.domain.errors import Throttled
from remediation.services.actors import PersonActor
from remediation.services.reporting import agents
from tests.api.conftest import Caller, CallerOf, close_cache, problem, told
from tests.every import every
from tests.factories import Person

# A fixed minute in the past, so that the test does not use the clock.
START = 1_000_000 * 60


def spends(agent: UUID, now: float) -> int:
    """Spend one request; return 0 or the seconds to wait."""
    try:
        throttling.spend(agent, now)
    except Throttled as error:
        return error.retry_after
    return 0


@pytest.fixture
def five_a_minute(settings: Settings) -> Iterator[None]:
    settings.AGENT_RATE = "5/min"
    yield


def test_the_budget_is_what_the_settings_say(five_a_minute: None) -> None:
    agent = uuid4()
    assert [spends(agent, START + n) > 0 for n in range(7)] == [False] * 5 + [True] * 2


def test_the_end_of_a_window_does_not_double_the_budget(five_a_minute: None) -> None:
    agent = uuid4()
    passed = [spends(agent, START + 59) == 0 for _ in range(6)]
    passed += [spends(agent, START + 61) == 0 for _ in range(6)]
    assert sum(passed) == 5


def test_one_agents_flood_leaves_the_others_budget_alone(five_a_minute: None) -> None:
    loud, quiet = uuid4(), uuid4()
    for _ in range(20):
        spends(loud, START)
    assert spends(quiet, START) == 0


@effort(max_examples=60, deadline=None)
@given(
    limit=st.integers(1, 12),
    pauses=st.lists(st.floats(0, 40, allow_nan=False), min_size=1, max_size=30),
)
def test_a_client_that_obeys_retry_after_gets_through(limit: int, pauses: list[float]) -> None:
    from django.test import override_settings

    agent, now = uuid4(), float(START)
    with override_settings(AGENT_RATE=f"{limit}/min"):
        for pause in pauses:
            now += pause
            wait = spends(agent, now)
            if wait:
                assert 1 <= wait <= 120
                now += wait
                assert spends(agent, now) == 0


def test_of_many_at_once_no_more_pass_than_the_budget_has(five_a_minute: None) -> None:
    agent, together = uuid4(), Barrier(20)

    def one(_: int) -> int:
        together.wait(timeout=30)
        try:
            return spends(agent, START)
        finally:
            close_cache()

    with ThreadPoolExecutor(20) as pool:
        waits = list(pool.map(one, range(20)))
    assert waits.count(0) == 5


@pytest.mark.parametrize(
    ("text", "rate"), [("60/min", (60, 60)), ("1/s", (1, 1)), ("9/hour", (9, 3600))]
)
def test_rates(text: str, rate: tuple[int, int]) -> None:
    assert throttling.rate(text) == rate


@every("text", ["", "60", "x/min", "60/year", "-1/s", "1.5/s"])
def test_an_invalid_rate_is_refused_at_start(text: str) -> None:
    with pytest.raises(ImproperlyConfigured):
        throttling.rate(text)


# ---- over HTTP --------------------------------------------------------------------------------


@pytest.fixture
def one_a_day(settings: Settings) -> Iterator[None]:
    settings.AGENT_RATE = "1/day"
    yield


def test_a34_over_the_budget_is_429_with_a_time_to_come_again(
    one_a_day: None, scanner: Caller
) -> None:
    told(scanner.report(), 201)
    response = scanner.report("t2")
    problem(response, 429, "throttled")
    assert 1 <= int(response["Retry-After"]) <= 2 * 86_400
    # Reading counts, too: each refused request would be an entry in the audit log.
    problem(scanner.get("actions"), 429, "throttled")


def test_a34_a_flood_does_not_fill_the_record(one_a_day: None, scanner: Caller) -> None:
    told(scanner.get("actions"))
    before, began = Entry.objects.count(), int(time.time() // 60)
    for _ in range(10):
        problem(scanner.get("actions"), 429, "throttled")
    minutes = int(time.time() // 60) - began + 1
    recorded = [entry.data for entry in Entry.objects.order_by("id")[before:]]
    assert 1 <= len(recorded) <= minutes
    assert recorded[0]["object"] == f"door:throttled:{scanner.agent.pk}"


def test_a_token_that_has_ended_has_a_budget_too(
    one_a_day: None, caller_of: CallerOf, eve: Person
) -> None:
    gone = caller_of("gone")
    agents.revoke_token(actor=PersonActor(eve.id, eve.user.pk), token_id=gone.token.pk)
    problem(gone.get("actions"), 401, "token_revoked")
    problem(gone.get("actions"), 429, "throttled")


@pytest.fixture
def no_cache(settings: Settings) -> Iterator[None]:
    """Configure a cache address where no server listens."""
    close_cache()
    down = {**settings.CACHES["default"], "LOCATION": "redis://127.0.0.1:1/0"}
    settings.CACHES = {"default": down}
    yield


def test_without_a_cache_requests_get_503_with_retry_after(no_cache: None, scanner: Caller) -> None:
    for response in (scanner.report(), scanner.get("actions")):
        problem(response, 503, "unavailable")
        assert int(response["Retry-After"]) >= 1
    assert not m.Incident.objects.exists()


def test_without_a_cache_an_unknown_caller_gets_503(no_cache: None, scanner: Caller) -> None:
    """Its refusal cannot be counted, so the answer does not name the reason."""
    scanner.text = "hitl_00000000_" + "A" * 43
    problem(scanner.get("actions"), 503, "unavailable")
