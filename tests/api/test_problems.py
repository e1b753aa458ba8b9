"""Every error below /api/v1/ is a problem document; unexpected errors reveal nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.test import RequestFactory
from rest_framework.test import APIClient

from remediation.api import problems
from remediation.domain import errors
from tests.api.conftest import Caller, problem, report
from tests.conftest import AsLogin, _as_login
from tests.domain.test_errors import every_refusal

EXPECTED = {
    "malformed_json": 400, "too_deep": 400, "unknown_action": 400, "protected_target": 400,
    "too_large": 413, "method_not_allowed": 405, "not_acceptable": 406, "length_required": 411,
    "unsupported_media_type": 415, "not_authenticated": 401, "token_expired": 401,
    "token_revoked": 401, "agent_disabled": 403, "not_entitled": 403, "separation": 403,
    "no_such_object": 404, "wrong_state": 409, "request_in_flight": 409, "stale_digest": 409,
    "idempotency_key_missing": 400, "idempotency_key_reused": 422, "unavailable": 503,
}  # fmt: skip


def test_every_refusal_has_a_status() -> None:
    ours = ("remediation.domain.errors", "remediation.api.problems")
    made = [
        cls()
        for cls in every_refusal()
        if cls is not errors.Throttled and cls.__module__.startswith(ours)
    ]
    assert all(400 <= problems.status_of(error) < 600 for error in made)
    # Two refusals of the gate have the same name as a refusal of the API.
    at_doors = [error for error in made if not isinstance(error, errors.GateRefused)]
    found = {error.name: problems.status_of(error) for error in at_doors}
    assert {name: found[name] for name in EXPECTED} == EXPECTED
    assert problems.status_of(errors.Throttled(1)) == 429


def test_a_refusal_without_a_status_gives_500() -> None:
    class Stray(errors.Refused):
        """A refusal without a status."""

    assert problems.as_refusal(Stray()) is None


def test_a_problem_holds_name_title_detail_and_place() -> None:
    request = RequestFactory().get("/api/v1/actions")
    error = errors.BadValue("not a slug", pointer="/a b/~1/é%")
    response = problems.problem(error, request)
    assert json.loads(response.content) == {
        "type": "/problems/bad_value",
        "title": "A field has a value that is not allowed.",
        "status": 400,
        "detail": "not a slug",
        # RFC 6901, section 6.
        "errors": [{"detail": "not a slug", "pointer": "#/a%20b/~1/%C3%A9%25"}],
    }
    assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["", "report", "reports/", "admin", "v2/reports", "%00", "..%2f"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PROPFIND"])
def test_an_unknown_path_gives_404(method: str, path: str, db: None, as_login: AsLogin) -> None:
    with as_login("hitl_web"):
        response = APIClient(raise_request_exception=False).generic(method, f"/api/v1/{path}")
    problem(response, 404, "no_such_object")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "reports", "POST"), ("DELETE", "reports", "POST"), ("PUT", "actions", "GET, HEAD")],
)
def test_another_method_is_405(method: str, path: str, allowed: str, scanner: Caller) -> None:
    response = scanner.ask(method, path)
    problem(response, 405, "method_not_allowed")
    assert response["Allow"] == allowed


def test_a_client_that_does_not_accept_json_gets_406(scanner: Caller) -> None:
    problem(scanner.get("actions", Accept="text/html"), 406, "not_acceptable")


def test_an_unexpected_error_reveals_only_a_reference_to_the_log(
    scanner: Caller, caplog: pytest.LogCaptureFixture
) -> None:
    """Uses a login that may not write, as after a faulty installation."""
    scanner.as_login = as_auditor_who_reads_tokens
    response = scanner.post("reports", report())
    answer = problem(response, 500, "internal_error")
    assert set(answer) == {"type", "title", "status", "instance"}
    reference = answer["instance"].removeprefix("urn:uuid:")
    assert str(UUID(reference)) == reference
    (record,) = [one for one in caplog.records if reference in one.getMessage()]
    assert record.exc_info is not None
    assert "permission denied" in str(record.exc_info[1])
    assert not re.search(rb"permission|denied|table|Traceback", response.content)


@contextmanager
def as_auditor_who_reads_tokens(_: str) -> Iterator[None]:
    """A login that can read the agent but write nothing."""
    with connection.cursor() as cursor:
        cursor.execute(
            "GRANT SELECT ON public.remediation_agenttoken,"
            " public.remediation_agenttokenrevocation,"
            " public.remediation_idempotencyrecord TO hitl_auditor"
        )
    with _as_login("hitl_auditor"):
        yield


def test_a_refusal_that_cannot_be_recorded_is_not_answered_as_one(scanner: Caller) -> None:
    scanner.as_login = as_auditor_who_reads_tokens
    problem(scanner.post("reports", b"{}"), 500, "internal_error")


@pytest.mark.parametrize("error", [OperationalError("secret dsn"), InterfaceError("closed")])
def test_a_database_that_does_not_answer_is_503(error: Exception) -> None:
    refused = problems.as_refusal(error)
    assert isinstance(refused, problems.Unavailable)
    response = problems.problem(refused, RequestFactory().get("/api/v1/actions"))
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert b"secret" not in response.content
