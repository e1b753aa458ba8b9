"""The client: one key per report, waits as asked, and never sends the token elsewhere."""

from __future__ import annotations

import pytest

from hitlportal.demo.agent.client import (
    MAX_ATTEMPTS,
    ApiError,
    Client,
    Unreachable,
    state_of,
    wait_of,
)
from hitlportal.demo.agent.records import Json
from tests.agent.portal import Reply, portal
from tests.every import every

REPORT: dict[str, Json] = {"incident": {"kind": "x"}}
TAKEN: Reply = (201, {}, {"incident": {"id": "i"}, "proposal": {"id": "p"}})


def client(url: str, waited: list[float] | None = None) -> Client:
    return Client(url, "secret-token", sleep=(waited if waited is not None else []).append)


def test_a_report_carries_token_and_a_quoted_key() -> None:
    with portal(TAKEN) as told:
        assert client(told.url + "/").report(REPORT).status == 201
    (asked,) = told.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/reports")
    assert asked.headers["authorization"] == "Bearer secret-token"
    assert asked.headers["content-type"] == "application/json"
    key = asked.headers["idempotency-key"]
    assert key[0] == key[-1] == '"'
    assert len(key) == 66
    assert asked.body == b'{"incident":{"kind":"x"}}'


def test_equal_reports_have_the_same_key_and_others_another() -> None:
    with portal(TAKEN, TAKEN, TAKEN) as told:
        client(told.url).report(REPORT)
        client(told.url).report(dict(REPORT))
        client(told.url).report({"incident": None})
    first, second, third = (asked.headers["idempotency-key"] for asked in told.asked)
    assert first == second != third


def test_it_waits_as_long_as_it_is_asked_to_and_repeats_under_the_same_key() -> None:
    waited: list[float] = []
    busy = (429, {"Retry-After": "7"}, {"title": "throttled"})
    in_flight = (409, {"Retry-After": "2"}, {"title": "request_in_flight"})
    with portal(busy, in_flight, None, TAKEN) as told:
        assert client(told.url, waited).report(REPORT).status == 201
    assert waited == [7.0, 2.0, 1.0]
    assert len({asked.headers["idempotency-key"] for asked in told.asked}) == 1


def test_it_gives_up_after_some_attempts() -> None:
    busy = [(503, {"Retry-After": "1"}, None)] * MAX_ATTEMPTS
    with portal(*busy) as told, pytest.raises(ApiError, match="503"):
        client(told.url).report(REPORT)
    assert len(told.asked) == MAX_ATTEMPTS
    with portal(*[None] * MAX_ATTEMPTS) as told, pytest.raises(Unreachable):
        client(told.url).report(REPORT)
    assert len(told.asked) == MAX_ATTEMPTS


@every("status", [400, 401, 403, 409, 413, 422])
def test_a_refusal_is_raised_with_its_problem_and_not_repeated(status: int) -> None:
    problem = {"title": "unknown_field", "detail": "'x' at /incident"}
    words = "unknown_field: 'x' at /incident"
    with portal((status, {}, problem)) as told, pytest.raises(ApiError, match=words) as refusal:
        client(told.url).report(REPORT)
    assert (refusal.value.status, len(told.asked)) == (status, 1)


def test_a_redirect_does_not_get_the_token() -> None:
    with portal(TAKEN) as elsewhere:
        away = (307, {"Location": f"{elsewhere.url}/api/v1/reports"}, None)
        with portal(away) as told, pytest.raises(ApiError, match="307"):
            client(told.url).report(REPORT)
        assert elsewhere.asked == []


def test_following_asks_only_for_what_is_new() -> None:
    waited: list[float] = []
    with portal(
        (200, {"ETag": '"1"', "Retry-After": "3"}, {"state": "in_review"}),
        (304, {"ETag": '"1"', "Retry-After": "4"}, None),
        (429, {"Retry-After": "5"}, None),
        (200, {"ETag": '"2"'}, {"state": "succeeded"}),
    ) as told:
        answer = client(told.url, waited).follow("p/..", tries=9)
    assert state_of(answer.body) == "succeeded"
    assert waited == [3.0, 4.0, 5.0]
    assert [asked.headers.get("if-none-match") for asked in told.asked] == [None, *['"1"'] * 3]
    assert told.asked[0].path == "/api/v1/proposals/p%2F.."


def test_following_ends_with_what_is_known() -> None:
    with portal((200, {"ETag": '"1"'}, {"state": "in_review"}), (304, {}, None)) as told:
        assert state_of(client(told.url).follow("p", tries=2).body) == "in_review"
    gone: Reply = (404, {}, {"title": "no_such_object"})
    with portal(gone) as told, pytest.raises(ApiError, match="no_such_object"):
        client(told.url).follow("p", tries=2)


@every(
    ("headers", "seconds"),
    [
        ({"retry-after": "12"}, 12.0),
        ({"retry-after": "0"}, 1.0),
        ({"retry-after": "-5"}, 1.0),
        ({"retry-after": "99999"}, 60.0),
        ({"retry-after": "soon"}, 1.0),
        ({}, 1.0),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 12:00:30 GMT",
                "date": "Sun, 22 Nov 2026 12:00:10 GMT",
            },
            20.0,
        ),
        ({"retry-after": "Sun, 22 Nov 2026 12:00:30 GMT"}, 1.0),
    ],
)
def test_the_waiting_time_follows_retry_after(headers: dict[str, str], seconds: float) -> None:
    assert wait_of(headers) == seconds


def test_other_schemes_than_http_are_refused() -> None:
    with pytest.raises(ValueError, match="http"):
        Client("file:///etc", "t")
