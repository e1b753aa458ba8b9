"""The Idempotency-Key: one effect, the same answer, no waiting."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from django.db import connection, connections, transaction
from django.http import HttpResponse
from pytest_django import Settings

from remediation import models as m
from remediation.services.reporting import idempotency
from tests.api.conftest import Caller, close_cache, key, problem, report, told


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "abc",
        '"',
        '""',
        '"abc',
        'abc"',
        '"a"b"',
        '"a", "b"',
        '"a";b=1',
        "'abc'",
        '"tab\there"',
        '"h\xe4"',
        '"a\\b"',
        f'"{"x" * 256}"',
    ],
)
def test_a_key_that_is_missing_or_no_quoted_string_is_refused(
    header: str | None, scanner: Caller
) -> None:
    headers = {} if header is None else {"Idempotency-Key": header}
    response = scanner.post("reports", report(), key=None, **headers)
    problem(response, 400, "idempotency_key_missing")
    assert not m.Incident.objects.exists()


@pytest.mark.parametrize("header", ['"x"', f'"{"x" * 255}"', '"a \\"quoted\\" \\\\ key, ~!"'])
def test_a_quoted_string_is_a_key(header: str, scanner: Caller) -> None:
    told(scanner.report(key=header), 201)
    assert scanner.report(key=header)["Idempotent-Replay"] == "true"


@pytest.mark.parametrize("verb", ["withdraw", "supersede"])
def test_every_post_requires_a_key(verb: str, scanner: Caller) -> None:
    proposal_id = scanner.proposes()
    response = scanner.post(f"proposals/{proposal_id}/{verb}", {}, key=None)
    problem(response, 400, "idempotency_key_missing")


def same(first: HttpResponse, second: HttpResponse) -> bool:
    names = ("Location", "Content-Type")
    return (
        first.status_code == second.status_code
        and first.content == second.content
        and [first.get(name) for name in names] == [second.get(name) for name in names]
    )


def test_a_repeated_request_has_one_effect_and_the_same_answer(scanner: Caller) -> None:
    used = key()
    first = scanner.report(key=used)
    assert "Idempotent-Replay" not in first
    for _ in range(2):
        again = scanner.report(key=used)
        assert same(first, again)
        assert again["Idempotent-Replay"] == "true"
    assert m.IncidentReport.objects.count() == m.Proposal.objects.count() == 1


def test_a_repeated_withdrawal_is_answered_as_the_first_one(scanner: Caller) -> None:
    path, used = f"proposals/{scanner.proposes()}/withdraw", key()
    first = scanner.post(path, {"reason": "False alarm."}, key=used)
    again = scanner.post(path, {"reason": "False alarm."}, key=used)
    assert told(again) == told(first)
    assert again["Idempotent-Replay"] == "true"
    problem(scanner.post(path, {"reason": "False alarm."}), 409, "wrong_state")


def test_a_key_is_for_one_request_alone(scanner: Caller) -> None:
    used = key()
    proposal_id = scanner.proposes("t1", key=used)
    other = scanner.report("t2", key=used)
    problem(other, 422, "idempotency_key_reused")
    # A request with another path is another request, also with the same body.
    path = f"proposals/{proposal_id}/withdraw"
    problem(scanner.post(path, report("t1"), key=used), 422, "idempotency_key_reused")
    assert m.Incident.objects.count() == 1


def test_a_refused_request_leaves_its_key_free(scanner: Caller) -> None:
    used = key()
    problem(scanner.post("reports", {"incident": {}}, key=used), 400, "missing_field")
    assert not m.IdempotencyRecord.objects.exists()
    told(scanner.report(key=used), 201)


def test_key_and_answer_are_never_changed(scanner: Caller) -> None:
    scanner.report()
    with pytest.raises(Exception, match="append-only"), transaction.atomic():
        m.IdempotencyRecord.objects.update(status=500)


# ---- at the same time ----------------------------------------------------------------------------

at_once = pytest.mark.django_db(transaction=True)


@pytest.fixture
def holding(scanner: Caller) -> Iterator[str]:
    """Hold a key in an uncommitted transaction of another connection."""
    used = str(uuid4())
    with ThreadPoolExecutor(1) as pool, connection.cursor():
        number = idempotency.lock_number(scanner.agent.pk, used)
        pool.submit(_hold, number).result()
        yield used
        pool.submit(connections.close_all).result()


def _hold(number: int) -> None:
    connection.set_autocommit(False)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


@at_once
def test_a_request_in_flight_is_not_waited_for(scanner: Caller, holding: str) -> None:
    response = scanner.report(key=f'"{holding}"')
    problem(response, 409, "request_in_flight")
    assert response["Retry-After"] == "1"
    assert not m.Incident.objects.exists()
    # Another key of the same agent is free.
    told(scanner.report(), 201)


@at_once
def test_eight_at_once_have_one_effect(scanner: Caller, settings: Settings) -> None:
    settings.AGENT_RATE, settings.REPORTS_AT_ONCE = "1000/min", 16
    used, together = key(), Barrier(8)

    def send(_: int) -> HttpResponse:
        try:
            together.wait(timeout=30)
            return scanner.report(key=used)
        finally:
            close_cache()
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        responses = list(pool.map(send, range(8)))
    taken = [response for response in responses if response.status_code == 201]
    assert sum("Idempotent-Replay" not in response for response in taken) == 1
    assert all(same(taken[0], response) for response in taken)
    for response in responses:
        if response not in taken:
            problem(response, 409, "request_in_flight")
    assert m.IncidentReport.objects.count() == m.Proposal.objects.count() == 1
    assert m.IdempotencyRecord.objects.count() == 1
