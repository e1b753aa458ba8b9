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

from remediation.api import answer_shapes, examples, request_shapes
from remediation.api.catalogue_shape import Catalogue
from remediation.api.problems import MEDIA_TYPE
from remediation.api.shape_fields import SHA256

KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": r'^"[ -~]{1,255}"$'},
    OpenApiParameter.HEADER,
    required=True,
    description=(
        "A quoted string (RFC 8941), unique for each new request, for example a UUID. If you repeat"
        " the same request with the same key, you get the first answer again, marked"
        " `Idempotent-Replay: true`. Keys never expire and belong to one agent. Refused requests"
        " (4xx, 5xx) are not stored: correct them and use the key again."
    ),
    examples=[OpenApiExample("uuid", '"8e03978e-40d5-43dd-bc93-6894a57f9324"')],
)
RETRY = OpenApiParameter(
    "Retry-After",
    OpenApiTypes.INT,
    OpenApiParameter.HEADER,
    response=[200, 304],
    description="Seconds to wait before the next request; absent when the state is final.",
)
LOCATION = OpenApiParameter(
    "Location", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[201],
    description="The proposal's path.",
)  # fmt: skip
REPLAY = OpenApiParameter(
    "Idempotent-Replay", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 201],
    description="`true` when the first answer is repeated.",
)  # fmt: skip
ETAG = OpenApiParameter("ETag", OpenApiTypes.STR, OpenApiParameter.HEADER, response=[200, 304])
IF_NONE_MATCH = OpenApiParameter("If-None-Match", OpenApiTypes.STR, OpenApiParameter.HEADER)

MEANINGS = {
    400: "The input is invalid; `type` names the reason, `errors[].pointer` the field.",
    401: "The token is missing, unknown, expired or revoked.",
    403: "The agent is suspended.",
    404: "The proposal does not exist or belongs to another agent.",
    409: "The proposal's state does not allow this, or the key's first request is still running.",
    413: "Too large.",
    415: "The body is not application/json in UTF-8, or has a content coding.",
    422: "The key was used for another request.",
    429: "The agent's budget is used up; Retry-After says when to retry.",
    503: "The portal cannot accept requests now; Retry-After says when to retry.",
}


def _problems(*statuses: int) -> dict[Any, Any]:
    example = OpenApiExample("unknown_field", examples.PROBLEM)
    return {
        (status, MEDIA_TYPE): OpenApiResponse(
            answer_shapes.Problem, MEANINGS[status], [example] if status == 400 else []
        )
        for status in (*statuses, 401, 403, 429, 503)
    }


report = extend_schema(
    operation_id="report",
    tags=["reports"],
    summary="Report an incident, with evidence, diagnosis and, if an action fits, a proposal",
    description="Everything is recorded, or nothing. A report about an open incident is added"
    " to it; `incident_is_new` is false if you reported it before. An open identical plan is not"
    " duplicated. With `proposals` people choose between up to three plans.",
    request=request_shapes.Report,
    parameters=[KEY, LOCATION, REPLAY],
    responses={
        201: OpenApiResponse(answer_shapes.Submitted, "Recorded."),
        **_problems(400, 409, 413, 415, 422),
    },
    examples=[
        OpenApiExample("A compromised role", examples.REPORT, request_only=True),
        OpenApiExample("Two plans side by side", examples.ALTERNATIVES, request_only=True),
        OpenApiExample("Recorded", examples.SUBMITTED, response_only=True, status_codes=["201"]),
    ],
)

proposal = extend_schema(
    operation_id="proposal",
    tags=["proposals"],
    summary="Read a proposal's state",
    description="Only your own proposals; another agent's proposal is answered with 404.",
    parameters=[IF_NONE_MATCH, ETAG, RETRY],
    responses={
        200: answer_shapes.Proposal,
        304: OpenApiResponse(description="Unchanged since the ETag that you sent."),
        **_problems(404),
    },
)

withdraw = extend_schema(
    operation_id="withdraw",
    tags=["proposals"],
    summary="End a proposal that is not running",
    description="Possible while it is submitted, in review or approved.",
    request=request_shapes.Withdraw,
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
    summary="Replace a proposal by a new one with another plan",
    description="A proposal is never edited in place: reviews of the old proposal do not count for"
    " the new one.",
    request=request_shapes.Supersede,
    parameters=[KEY, LOCATION, REPLAY],
    responses={
        201: inline_serializer(
            "Superseding",
            {
                "proposal": serializers.UUIDField(),
                "supersedes": serializers.UUIDField(),
                "plan_digest": serializers.RegexField(SHA256),
                "urls": answer_shapes.Urls(),
            },
        ),
        **_problems(400, 404, 409, 413, 415, 422),
    },
    examples=[OpenApiExample("Another plan", examples.SUPERSEDE, request_only=True)],
)

actions = extend_schema(
    operation_id="actions",
    tags=["catalogue"],
    summary="List the actions that can be proposed, with JSON Schemas and limits",
    description="Only actions of the catalogue can be proposed.",
    parameters=[IF_NONE_MATCH, ETAG],
    responses={
        200: Catalogue,
        304: OpenApiResponse(description="Unchanged since the ETag that you sent."),
        **_problems(),
    },
)
