"""Turn refusals into RFC 9457 problem documents, with one table from refusal to status.

`handle` gets every error under /api/v1/: it records the refusal, then answers. Other errors are
answered with 500 and a reference to the log, nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from redis.exceptions import RedisError
from rest_framework import exceptions as framework

from audit.tlog.canonical import Json, encode
from remediation.domain import errors
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.domain.secrets import masking
from remediation.services import lines
from remediation.services.access import record_refusal
from remediation.services.actors import AgentActor
from remediation.services.reporting import token_use

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
# Key of `request.META` for the agent of the request's token, also when the token has ended. No
# header can have this name.
AGENT = "hitlportal.agent"
# A restart of the database or cache takes seconds.
UNAVAILABLE_RETRY_S = 5
BAD_BEARER = ', error="invalid_token"'


class MethodNotAllowed(errors.BadInput):
    """The method is not allowed here."""


class NotAcceptable(errors.BadInput):
    """The answer is JSON, and the Accept header excludes it."""


class UnsupportedMediaType(errors.BadInput):
    """The body must be application/json in UTF-8, without a content coding."""


class LengthRequired(errors.BadInput):
    """The request needs a Content-Length."""


class BodyUnreadable(errors.BadInput):
    """The body could not be read to its end."""


class Unavailable(Refused):
    """The portal cannot take requests now."""


# The most specific class of a refusal decides.
STATUS: Mapping[type[Refused], int] = {
    errors.BadInput: 400,
    errors.TooLarge: 413,
    MethodNotAllowed: 405,
    NotAcceptable: 406,
    LengthRequired: 411,
    UnsupportedMediaType: 415,
    errors.AccessRefused: 403,
    errors.NotAuthenticated: 401,
    errors.TokenExpired: 401,
    errors.TokenRevoked: 401,
    errors.NoSuchObject: 404,
    errors.Conflict: 409,
    errors.IdempotencyKeyMissing: 400,
    errors.IdempotencyKeyReused: 422,
    errors.Throttled: 429,
    errors.ReviewRefused: 422,
    errors.GateRefused: 409,
    Unavailable: 503,
}

# The framework's errors as refusals of the portal; the first match decides.
FOREIGN: tuple[tuple[type[Exception], type[Refused]], ...] = (
    (framework.MethodNotAllowed, MethodNotAllowed),
    (framework.NotAcceptable, NotAcceptable),
    (framework.UnsupportedMediaType, UnsupportedMediaType),
    (framework.NotAuthenticated, errors.NotAuthenticated),
    (framework.AuthenticationFailed, errors.NotAuthenticated),
    (framework.PermissionDenied, errors.NotEntitled),
    (PermissionDenied, errors.NotEntitled),
    (framework.NotFound, errors.NoSuchObject),
    (Http404, errors.NoSuchObject),
    (framework.APIException, errors.BadInput),
    (RequestDataTooBig, errors.TooLarge),
    (SuspiciousOperation, errors.BadInput),
    # Unreachable, restarting or overloaded: the client should retry.
    (OperationalError, Unavailable),
    (InterfaceError, Unavailable),
    (RedisError, Unavailable),
)


def handle(exc: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Django REST framework's exception handler: record, then answer."""
    request: HttpRequest = context["request"]._request
    try:
        error = as_refusal(exc)
        if error is None:
            return unexpected(exc)
        put_on_record(error, request, (context.get("kwargs") or {}).get("proposal_id"))
        return problem(error, request)
    except (
        Exception
    ) as failure:  # the refusal could not be recorded, so the request must fail visibly
        logger.warning("refusal not on record: %r", exc)
        broken = as_refusal(failure)
        return unexpected(failure) if broken is None else problem(broken, request)


def as_refusal(exc: Exception) -> Refused | None:
    """Return the refusal for this error; None for an unexpected error."""
    if isinstance(exc, Refused):
        # A refusal without a status in the table is a bug here.
        return exc if any(kind in STATUS for kind in type(exc).__mro__) else None
    for foreign, ours in FOREIGN:
        if isinstance(exc, foreign):
            if ours is Unavailable:
                logger.error("unavailable: %s", type(exc).__name__, exc_info=exc)
            return ours()
    return None


def status_of(error: Refused) -> int:
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def put_on_record(error: Refused, request: HttpRequest, proposal_id: UUID | None) -> None:
    """Record each refusal of a known agent within its budget; count all others by minute."""
    agent: AgentActor | None = request.META.get(AGENT)
    if agent is not None and not isinstance(error, Unavailable):
        token_use.count_refusal(agent.agent_id)
    minute = int(time.time() // 60)
    if isinstance(error, Unavailable):
        return  # not a decision of the portal
    if agent is None:
        if isinstance(error, errors.AccessRefused) and status_of(error) == 401:
            record_refusal.count_unknown("api", minute)
    elif isinstance(error, errors.Throttled):
        # One entry each would let a flood fill the audit log.
        record_refusal.count_unknown(f"throttled:{agent.agent_id}", minute)
    else:
        # Agents that cannot see the proposal must not write into its history.
        own = record_refusal.seen(agent, proposal_id)
        record_refusal.record(
            actor=agent,
            event=Event.AGENT_REQUEST_REFUSED,
            error=error,
            object=f"proposal:{own}" if own else "door:api",
            proposal_id=own,
            data={
                "token": str(agent.token_id),
                "request": record_refusal.printable(f"{request.method} {request.path}"),
            },
        )


def problem(error: Refused, request: HttpRequest) -> HttpResponse:
    """Return the problem document of a refusal (RFC 9457), with the headers of its status."""
    status = status_of(error)
    members: dict[str, Json] = {
        "type": f"/problems/{error.name}",
        "title": " ".join(error.message.split()),
        "status": status,
    }
    if error.detail:
        members["detail"] = record_refusal.printable(error.detail)
    if error.pointer:
        # RFC 9457, section 3: the pointer as a URI fragment (RFC 6901, section 6).
        members["errors"] = [
            {
                "detail": str(members.get("detail", members["title"])),
                "pointer": "#" + quote(masking.mask_pointer(error.pointer), safe="/~!$&'()*+,;=:@"),
            }
        ]
    return _response(members, status, _headers(error, request))


def unexpected(exc: Exception) -> HttpResponse:
    """Return 500 with a reference; the log has the error under this reference."""
    reference = lines.request_id.get() or str(uuid4())
    logger.error("unexpected error, reference %s", reference, exc_info=exc)
    members: dict[str, Json] = {
        "type": "/problems/internal_error",
        "title": "The portal failed; nothing was done.",
        "status": 500,
        "instance": f"urn:uuid:{reference}",
    }
    return _response(members, 500, {})


def _headers(error: Refused, request: HttpRequest) -> dict[str, str]:
    if status_of(error) == 401:
        # RFC 6750, section 3: no error code where no token was sent.
        sent = "HTTP_AUTHORIZATION" in request.META
        return {"WWW-Authenticate": f'Bearer realm="agents"{BAD_BEARER if sent else ""}'}
    if isinstance(error, errors.Throttled):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, Unavailable):
        return {"Retry-After": str(UNAVAILABLE_RETRY_S)}
    if isinstance(error, errors.RequestInFlight):
        return {"Retry-After": "1"}
    if isinstance(error, UnsupportedMediaType):
        # RFC 9110, sections 12.5.1 and 12.5.3: what would be accepted.
        return {"Accept": "application/json", "Accept-Encoding": "identity"}
    return {}


def _response(members: dict[str, Json], status: int, headers: dict[str, str]) -> HttpResponse:
    if request_id := lines.request_id.get():
        members = {"instance": f"urn:uuid:{request_id}", **members}
    response = HttpResponse(encode(members), status=status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    for name, value in headers.items():
        response.headers[name] = value
    return response
