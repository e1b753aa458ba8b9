"""Serve the OpenAPI document and the reference page.

Both are public, because they contain nothing about this installation. The page is rendered without
scripts or foreign hosts: Swagger UI has inline styles, colours and headings that violate our
Content-Security-Policy and WCAG 2.2 AA.
"""

from __future__ import annotations

import json
from functools import cache
from hashlib import sha256

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator

from remediation.api import reference

MEDIA_TYPE = "application/vnd.oai.openapi+json"


@cache
def document() -> bytes:
    """Return the document, generated once per process because that is slow."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    for name, component in schema["components"]["schemas"].items():
        if name.endswith("Request"):
            # The generator does not add this: unknown fields are refused.
            component["additionalProperties"] = False
    return json.dumps(schema, ensure_ascii=False, indent=1).encode()


@require_safe
def schema(request: HttpRequest) -> HttpResponseBase:
    body = document()
    etag = f'"{sha256(body).hexdigest()[:32]}"'
    response = HttpResponse(body, content_type=MEDIA_TYPE, headers={"ETag": etag})
    return get_conditional_response(request, etag=etag, response=response) or response


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "remediation/api/docs.html", {"reference": _reference()})


@cache
def _reference() -> reference.Reference:
    return reference.read(json.loads(document()))
