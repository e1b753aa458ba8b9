"""The description of Kubernetes' API, as the official client carries it, for jsonschema.

The client is generated from the API's OpenAPI description (its version stands in its source). So
its methods name every path with its method and query, and its models every field; nothing of the
description is copied here.
"""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

from hitlportal.demo.servers.kube_api import Answer, Request

MODULES = (
    "core_v1_api", "apps_v1_api", "networking_v1_api", "autoscaling_v2_api",
    "rbac_authorization_v1_api", "authentication_v1_api",
)  # fmt: skip
METADATA = "PartialObjectMetadata"
_METHOD = re.compile(
    r"    def (?P<name>\w+)_with_http_info\((?P<body>.*?)(?=\n    def _(?P=name)_serialize\()", re.S
)
_SERIALIZE = re.compile(
    r"    def _(?P<name>\w+)_serialize\((?P<body>.*?resource_path='(?P<path>[^']+)')", re.S
)


@dataclass(frozen=True)
class Operation:
    """One operation of the description; `takes` and `gives` name models, "" for none."""

    query: frozenset[str]
    takes: str
    gives: str


@cache
def operations() -> dict[tuple[str, str], Operation]:
    """Return the operations by method and path."""
    found = {}
    for module in MODULES:
        source = inspect.getsource(importlib.import_module(f"kubernetes.client.api.{module}"))
        said = {each["name"]: each["body"] for each in _METHOD.finditer(source)}
        for each in _SERIALIZE.finditer(source):
            method = re.search(r"method='(\w+)'", each["body"])
            assert method is not None
            found[method[1], each["path"]] = _operation(said[each["name"]], each["body"])
    return found


def _operation(said: str, serialized: str) -> Operation:
    takes = re.search(r":type body: (\w+)", said)
    gives = re.search(r"'20[01]': \"(\w+)\"", said)
    return Operation(
        frozenset(re.findall(r"_query_params\.append\(\('(\w+)'", serialized)),
        takes[1] if takes else "",
        gives[1] if gives else "",
    )


@cache
def validator(model: str, *, whole: bool = True) -> Draft202012Validator:
    """Return what judges a model's JSON; not `whole`: of a patch, which may leave anything out."""
    module = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", model).lower()
    found = getattr(importlib.import_module(f"kubernetes.client.models.{module}"), model)
    schema = found.model_json_schema(by_alias=True)
    return Draft202012Validator(schema if whole else _optional(schema))


def _optional(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_optional(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if not _is_list_of_required(key, value)}
    return {key: _optional(value) for key, value in kept.items()}


def _is_list_of_required(key: str, value: Any) -> bool:
    return key == "required" and isinstance(value, list)


def problems(request: Request, answer: Answer) -> list[str]:
    """Return what of a request and its answer the description does not allow."""
    path, operation = _match(request.method, request.path)
    if operation is None:
        return [f"{request.method} {request.path}: no such operation"]
    at = f"{request.method} {path}"
    found = [f"{at}: no query {name}" for name in request.query if name not in operation.query]
    if request.body is not None and operation.takes not in ("", "object"):
        found += _judged(f"{at} takes", validator(operation.takes), request.body)
    elif request.body is not None and operation.takes == "object":  # a patch of what it gives
        judge = validator(operation.gives, whole=False)
        for body in _patches(request.body):
            found += _judged(f"{at} takes", judge, body)
    if "as=PartialObjectMetadataList" in request.accept and answer.status < 300:
        found += _of_metadata(f"{at} gives", answer.body)
    elif isinstance(answer.body, dict):
        failed = answer.status >= 300 or operation.gives == "object"
        gives = "V1Status" if failed else operation.gives
        found += _judged(f"{at} gives", validator(gives), answer.body)
    return found


def _patches(body: Any) -> list[Any]:
    """Return a patch as the part of the object that it is about; of a list, of each operation."""
    if not isinstance(body, list):
        return [body]
    found = []
    for each in body:
        part = each["value"]
        for name in reversed(each["path"].split("/")[1:]):
            part = {name: part}
        found.append(part)
    return found


def _of_metadata(at: str, body: Any) -> list[str]:
    """The client has no model of such a list, but those of its parts."""
    version, kinds = "meta.k8s.io/v1", {each["kind"] for each in body["items"]}
    told = (body["kind"], body["apiVersion"], kinds | {METADATA})
    found = [] if told == (f"{METADATA}List", version, {METADATA}) else [f"{at}: {told}"]
    found += _judged(at, validator("V1ListMeta"), body["metadata"])
    for each in body["items"]:
        if each.keys() != {"kind", "apiVersion", "metadata"}:
            found.append(f"{at}: {sorted(each)}")
        found += _judged(at, validator("V1ObjectMeta"), each["metadata"])
    return found


def operation_of(request: Request) -> str:
    """Return the path of a request as the description has it."""
    return _match(request.method, request.path)[0]


def _match(method: str, path: str) -> tuple[str, Operation | None]:
    parts = path.split("/")
    for (known, template), operation in operations().items():
        held = template.split("/")
        if known == method and len(held) == len(parts) and all(map(_fits, held, parts)):
            return template, operation
    return path, None


def _fits(template: str, part: str) -> bool:
    return template == part or (template.startswith("{") and bool(unquote(part)))


def _judged(at: str, judge: Draft202012Validator, value: Any) -> list[str]:
    return [f"{at}: {error.json_path} {error.message[:200]}" for error in judge.iter_errors(value)]
