"""The endpoints' entries in the OpenAPI document, as decorators."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
    inline_serializer,
)
from rest_framework import serializers

from remediation.api import examples
from remediation.api import serializers as shapes
from remediation.api.problems import MEDIA_TYPE

KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": r'^"[ -~]{1,255}"$'},
    OpenApiParameter.HEADER,
    required=True,
    description=(
        "A quoted string (RFC 8941) that you make up for each new request; a UUID does. Repeating"
        " the same request with its key gives the first answer again, marked"
        " `Idempotent-Replay: true`. A key never expires and is yours alone. Refused requests"
        " (4xx, 5xx) are not kept: correct them and use the key again."
    ),
    examples=[OpenApiExample("uuid", '"8e03978e-40d5-43dd-bc93-6894a57f9324"')],
)
RETRY = OpenApiParameter(
    "Retry-After",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    response=[200, 304],
    description="Seconds until asking again is worth it; absent when the state is final.",
)
LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[201],
    description="The proposal's path.",
)  # fmt: skip
REPLAY = OpenApiParameter(
    "Idempotent-Replay", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 201],
    description="`true` when this is the first answer again.",
)  # fmt: skip
ETAG = OpenApiParameter("ETag", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 304])
IF_NONE_MATCH = OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER)

MEANINGS = {
    400: "The input is refused; `type` names the reason, `errors[].pointer` the place.",
    401: "The token is missing, unknown, expired or revoked.",
    403: "The agent is suspended.",
    404: "There is no such proposal, or it is another agent's.",
    409: "The proposal's state does not allow this, or the key's first request is still running.",
    413: "Too large.",
    415: "Not application/json in UTF-8, or with a content coding.",
    422: "The key was used for another request.",
    429: "Over the agent's budget; Retry-After says when to come again.",
    503: "The portal cannot take requests now; Retry-After says when to come again.",
}


def _problems(*statuses: int) -> dict[Any, Any]:
    example = OpenApiExample("unknown_field", examples.PROBLEM)
    return {
        (status, MEDIA_TYPE): OpenApiResponse(
            shapes.Problem, MEANINGS[status], [example] if status == 400 else []
        )
        for status in (*statuses, 401, 403, 429, 503)
    }


report = extend_schema(
    operation_id="report",
    tags=["reports"],
    summary="Report an incident, with evidence, diagnosis and, if an action fits, a proposal",
    description="All of it is recorded, or nothing. An open incident that this is about is added"
    " to; `incident_is_new` is then false. An identical plan that still counts is not doubled.",
    request=shapes.Report,
    parameters=[KEY, LOCATION, REPLAY],
    responses={
        201: OpenApiResponse(shapes.Submitted, "Recorded."),
        **_problems(400, 409, 413, 415, 422),
    },
    examples=[
        OpenApiExample("A role in wrong hands", examples.REPORT, request_only=True),
        OpenApiExample("Recorded", examples.SUBMITTED, response_only=True, status_codes=["201"]),
    ],
)

proposal = extend_schema(
    operation_id="proposal",
    tags=["proposals"],
    summary="Where a proposal stands",
    description="Only your own; another agent's is as unknown as one that does not exist.",
    parameters=[IF_NONE_MATCH, ETAG, RETRY],
    responses={
        200: shapes.Proposal,
        304: OpenApiResponse(description="Unchanged since the ETag that you sent."),
        **_problems(404),
    },
)

withdraw = extend_schema(
    operation_id="withdraw",
    tags=["proposals"],
    summary="End a proposal that is not running",
    description="Possible while it is submitted, in review or approved.",
    request=shapes.Withdraw,
    parameters=[KEY, REPLAY],
    responses={
        200: inline_serializer(
            "Withdrawn", {"proposal": serializers.UUIDField(), "state": serializers.CharField()}
        ),
        **_problems(400, 404, 409, 413, 415, 422),
    },
    examples=[OpenApiExample("A false alarm", examples.WITHDRAW, request_only=True)],
)

supersede = extend_schema(
    operation_id="supersede",
    tags=["proposals"],
    summary="Replace a proposal by one with another plan",
    description="An edit is never made in place: reviews of the old proposal count nothing for"
    " the new one.",
    request=shapes.Supersede,
    parameters=[KEY, LOCATION, REPLAY],
    responses={
        201: inline_serializer(
            "Superseding",
            {
                "proposal": serializers.UUIDField(),
                "supersedes": serializers.UUIDField(),
                "plan_digest": serializers.RegexField(shapes.SHA256),
                "urls": shapes.Urls(),
            },
        ),
        **_problems(400, 404, 409, 413, 415, 422),
    },
    examples=[OpenApiExample("Another plan", examples.SUPERSEDE, request_only=True)],
)

actions = extend_schema(
    operation_id="actions",
    tags=["catalogue"],
    summary="What can be proposed, with JSON Schemas and limits",
    description="The catalogue is closed: what is not in it cannot be proposed.",
    parameters=[IF_NONE_MATCH, ETAG],
    responses={
        200: shapes.Catalogue,
        304: OpenApiResponse(description="Unchanged since the ETag that you sent."),
        **_problems(),
    },
)
