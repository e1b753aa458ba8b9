"""Turn the OpenAPI document into rows for the reference page.

Pure: a document in, rows out. All texts come from the document, so page and document agree.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# In the order in which an agent uses them.
ORDER = ("report", "proposal", "supersede", "withdraw", "actions")
# The deepest nesting of our schemas is six.
MAX_DEPTH = 8
_BOUNDS = (
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {}"),
    ("maxItems", "at most {}"),
    ("minimum", "from {}"),
    ("maximum", "to {}"),
)


# Parts of a text, each with a flag for code (between backticks in the document).
Words = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Row:
    """One field; ``depth`` is its level of nesting, ``name`` the last part of its path."""

    name: str
    kind: str
    depth: int = 0
    required: bool = False
    words: Words = ()
    bounds: tuple[str, ...] = ()
    pattern: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    status: str
    words: Words
    headers: tuple[Row, ...]
    rows: tuple[Row, ...]  # of a successful answer; problems share one shape, which is shown once


@dataclass(frozen=True)
class Operation:
    id: str
    method: str
    path: str
    title: str
    words: Words
    parameters: tuple[Row, ...]
    body: tuple[Row, ...]
    example: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Reference:
    title: str
    words: str
    token: str
    operations: tuple[Operation, ...]
    targets: tuple[Row, ...]  # all kinds of target, each followed by its fields
    problem: tuple[Row, ...]


def read(document: Mapping[str, Any]) -> Reference:
    """Read the whole document."""
    schemas = document["components"]["schemas"]
    return Reference(
        title=document["info"]["title"],
        words=document["info"].get("description", ""),
        token=document["components"]["securitySchemes"]["agentToken"]["description"],
        operations=tuple(
            sorted(
                (
                    _operation(path, method, spec, schemas)
                    for path, methods in document["paths"].items()
                    for method, spec in methods.items()
                ),
                key=lambda made: ORDER.index(made.id),
            )
        ),
        targets=tuple(_targets(schemas)),
        problem=tuple(_rows({"$ref": "#/components/schemas/Problem"}, schemas)),
    )


def _operation(path: str, method: str, spec: Any, schemas: Any) -> Operation:
    body = _content(spec.get("requestBody", {}))
    examples = [example["value"] for example in body.get("examples", {}).values()]
    return Operation(
        id=spec["operationId"],
        method=method.upper(),
        path=path,
        title=spec.get("summary", ""),
        words=_words(spec.get("description", "")),
        parameters=tuple(_parameter(each, schemas) for each in spec.get("parameters", ())),
        body=tuple(_rows(body.get("schema", {}), schemas)),
        example=json.dumps(examples[0], ensure_ascii=False, indent=2) if examples else "",
        answers=tuple(
            _answer(status, each, schemas) for status, each in sorted(spec["responses"].items())
        ),
    )


def _content(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = spec.get("content", {}).get("application/json", {})
    return found


def _parameter(spec: Any, schemas: Any) -> Row:
    where = {"header": "header", "path": "part of the path", "query": "query"}[spec["in"]]
    row = _row(spec["name"], spec["schema"], schemas, 0, bool(spec.get("required")))
    words = _words(spec.get("description", "")) or row.words
    return Row(row.name, where, 0, row.required, words, row.bounds, row.pattern, row.choices)


def _answer(status: str, spec: Any, schemas: Any) -> Answer:
    headers = tuple(
        _row(name, {**each["schema"], "description": each.get("description", "")}, schemas, 0, True)
        for name, each in spec.get("headers", {}).items()
    )
    rows = tuple(_rows(_content(spec).get("schema", {}), schemas))
    return Answer(status, _words(spec.get("description", "")), headers, rows)


def _rows(schema: Any, schemas: Any, depth: int = 0) -> Iterator[Row]:
    """Yield the fields of an object, each followed by its nested fields."""
    schema = _resolved(schema, schemas)
    if depth > MAX_DEPTH:
        return
    required = schema.get("required", ())
    for name, spec in schema.get("properties", {}).items():
        yield _row(name, spec, schemas, depth, name in required)
        yield from _inside(spec, schemas, depth + 1)


def _inside(spec: Any, schemas: Any, depth: int) -> Iterator[Row]:
    spec = _resolved(spec, schemas)
    if spec.get("type") == "array":
        spec = _resolved(spec["items"], schemas)
    yield from _rows(spec, schemas, depth)


def _targets(schemas: Any) -> Iterator[Row]:
    for one in schemas["StepRequest"]["properties"]["target"]["oneOf"]:
        yield Row(one["title"], "")
        yield from _rows(one, schemas, 1)


def _row(name: str, spec: Any, schemas: Any, depth: int, required: bool) -> Row:
    full = _resolved(spec, schemas)
    return Row(
        name=name,
        kind=_kind(full, schemas),
        depth=depth,
        required=required,
        words=_words(full.get("description", "")),
        bounds=tuple(words.format(full[key]) for key, words in _BOUNDS if key in full),
        pattern=full.get("pattern", ""),
        choices=tuple(str(each) for each in full.get("enum", ()) if each is not None),
    )


def _kind(spec: Any, schemas: Any) -> str:
    if all("title" in one for one in spec.get("oneOf", [{}])):
        return "target"
    kind = str(spec.get("format") or spec.get("type") or "object")
    if kind == "array":
        kind = f"list of {_kind(_resolved(spec['items'], schemas), schemas)}s"
    return f"{kind} or null" if spec.get("nullable") else kind


def _resolved(spec: Any, schemas: Any) -> Any:
    """Resolve references; the field's own texts override those of the referenced schema."""
    while "$ref" in spec or len(spec.get("allOf", ())) == 1:
        inner = schemas[spec["$ref"].rsplit("/", 1)[-1]] if "$ref" in spec else spec["allOf"][0]
        spec = {**inner, **{key: it for key, it in spec.items() if key not in ("$ref", "allOf")}}
    return spec


def _words(text: str) -> Words:
    return tuple((part, place % 2 == 1) for place, part in enumerate(text.split("`")) if part)
