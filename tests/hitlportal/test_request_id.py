"""The id of a request: taken only if it is a UUID, and always answered."""

from __future__ import annotations

from uuid import UUID

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from hitlportal.request_id import HEADER, RequestIdMiddleware
from remediation.services import lines

GIVEN = "5c0f5c0f-5c0f-4c0f-8c0f-5c0f5c0f5c0f"


def _answered(sent: str) -> tuple[str, str]:
    seen = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(lines.request_id.get())
        return HttpResponse()

    answer = RequestIdMiddleware(view)(RequestFactory().get("/", headers={HEADER: sent}))
    return seen[0], answer.headers[HEADER]


def test_an_id_of_the_proxy_is_kept_and_forgotten_after_the_answer() -> None:
    for sent in (GIVEN, GIVEN.replace("-", ""), GIVEN.upper()):
        assert _answered(sent) == (GIVEN, GIVEN)
    assert lines.request_id.get() == ""


@pytest.mark.parametrize("sent", ["", "hitl_secret", GIVEN + "\n", GIVEN + "x", "0" * 31, "٣" * 32])
def test_anything_else_is_replaced(sent: str) -> None:
    inside, outside = _answered(sent)
    assert inside == outside == str(UUID(outside)) and sent not in (inside, outside)


def test_a_view_that_raises_leaves_no_id_behind() -> None:
    def broken(request: HttpRequest) -> HttpResponse:
        raise ValueError

    with pytest.raises(ValueError):
        RequestIdMiddleware(broken)(RequestFactory().get("/"))
    assert lines.request_id.get() == ""
