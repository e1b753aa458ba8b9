"""Give each request an id, so that its answer, its log lines and the proxy's log can be joined."""

from __future__ import annotations

import re
from collections.abc import Callable
from uuid import UUID, uuid4

from django.http import HttpRequest, HttpResponse

from remediation.services import lines

HEADER = "X-Request-ID"
# A UUID, or the 32 hex digits of nginx's $request_id. Anything else could carry a secret or a
# forged word into the log.
FORM = re.compile(r"[0-9a-fA-F]{8}(-?)[0-9a-fA-F]{4}(?:\1[0-9a-fA-F]{4}){2}\1[0-9a-fA-F]{12}")


class RequestIdMiddleware:
    """Takes `X-Request-ID` if it is a UUID, else makes one; the answer carries it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        chosen = _chosen(request.headers.get(HEADER, ""))
        token = lines.request_id.set(chosen)
        try:
            response = self.get_response(request)
        finally:
            lines.request_id.reset(token)
        response.headers[HEADER] = chosen
        return response


def _chosen(sent: str) -> str:
    return str(UUID(sent) if FORM.fullmatch(sent) else uuid4())
