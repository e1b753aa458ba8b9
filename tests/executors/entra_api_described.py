"""Microsoft's description of Graph, for jsonschema: the operations that the worker uses.

entra_described/api.json is an excerpt of microsoftgraph/msgraph-sdk-powershell (MIT); it says what
was cut, and the licence lies beside it. OpenAPI's `nullable` stands there as JSON Schema has
it.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from hitlportal.demo.servers.entra_api import Answer, Request

DESCRIPTION = Path(__file__).parent / "entra_described" / "api.json"
# Any call may get these.
ALWAYS = {"400", "401", "403", "404", "429"}


@cache
def operations() -> dict[str, Any]:
    """Return the operations by method and path."""
    found: dict[str, Any] = json.loads(DESCRIPTION.read_text("utf-8"))["operations"]
    return found


def operation_of(request: Request) -> str:
    """Return method and path of a request as the description has them; "" for no such one."""
    return next((name for name in operations() if _is_one(request, name)), "")


def _is_one(request: Request, name: str) -> bool:
    method, _, path = name.partition(" ")
    parts, held = request.path.split("/"), path.split("/")
    return (
        method == request.method
        and len(held) == len(parts)
        and all(one in (part, "") or one[0] == "{" for one, part in zip(held, parts, strict=True))
    )


def problems(request: Request, answer: Answer) -> list[str]:
    """Return what of a request and its answer the description does not allow."""
    name = operation_of(request)
    if not name:
        return [f"{request.method} {request.path}: no such operation"]
    told, status = operations()[name], str(answer.status)
    found = [
        f"{name}: no query {each}={value}"
        for each, value in request.query.items()
        if each not in told["query"] or not {*value.split(",")} <= {*told["query"][each]}
    ]
    takes, sent = told["takes"], request.form if request.body is None else request.body
    if takes:
        found += _judged(f"{name} takes", takes, sent)
    elif sent:
        found.append(f"{name}: it takes no body")
    if status not in told["gives"]:
        return found + ([] if status in ALWAYS else [f"{name}: no status {status}"])
    schema = told["gives"][status]
    if schema is not None:
        return found + _judged(f"{name} gives {status}", schema, answer.body)
    return found + ([f"{name}: it has a body"] if answer.body is not None else [])


def _judged(at: str, schema: Any, value: Any) -> list[str]:
    errors = Draft202012Validator(schema).iter_errors(value)
    return [f"{at}: {error.json_path} {error.message[:200]}" for error in errors]
