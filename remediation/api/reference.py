"""The OpenAPI document as rows for a page that is read: what to send, what comes back.

Pure: a document in, rows out. Its words are the document's, so page and document cannot differ.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# As an agent comes to need them.
ORDER = ("report", "proposal", "supersede", "withdraw", "actions")
# A schema inside a schema inside ...: ours are six deep at most.
MAX_DEPTH = 8
_BOUNDS = (
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {}"),
    ("maxItems", "at most {}"),
    ("minimum", "from {}"),
    ("maximum", "to {}"),
)


# Runs of text, each with whether it is code: the document writes it between backticks.
Words = tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Row:
    """One field; ``depth`` is how far inside another one, ``name`` the last part of its path."""

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
    rows: tuple[Row, ...]  # of a good answer; problems have one shape, shown once


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
    targets: tuple[Row, ...]  # every kind of target, each followed by its fields
    problem: tuple[Row, ...]


def read(document: Mapping[str, Any]) -> Reference:
    """The whole document."""
    schemas = document["components"]["schemas"]
    return Reference(
        title=document["info"]["title"],
        words=document["info"].get("description", ""),
        token=document["components"]["securitySchemes"]["agentToken"]["description"],
        operations=tuple(
            sorted(
                (
                    _operation(path, method, said, schemas)
                    for path, methods in document["paths"].items()
                    for method, said in methods.items()
                ),
                key=lambda made: ORDER.index(made.id),
            )
        ),
        targets=tuple(_targets(schemas)),
        problem=tuple(_rows({"$ref": "#/components/schemas/Problem"}, schemas)),
    )


def _operation(path: str, method: str, said: Any, schemas: Any) -> Operation:
    body = _content(said.get("requestBody", {}))
    examples = [example["value"] for example in body.get("examples", {}).values()]
    return Operation(
        id=said["operationId"],
        method=method.upper(),
        path=path,
        title=said.get("summary", ""),
        words=_words(said.get("description", "")),
        parameters=tuple(_parameter(each, schemas) for each in said.get("parameters", ())),
        body=tuple(_rows(body.get("schema", {}), schemas)),
        example=json.dumps(examples[0], ensure_ascii=False, indent=2) if examples else "",
        answers=tuple(
            _answer(status, each, schemas) for status, each in sorted(said["responses"].items())
        ),
    )


def _content(said: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = said.get("content", {}).get("application/json", {})
    return found


def _parameter(said: Any, schemas: Any) -> Row:
    where = {"header": "header", "path": "part of the path", "query": "query"}[said["in"]]
    row = _row(said["name"], said["schema"], schemas, 0, bool(said.get("required")))
    words = _words(said.get("description", "")) or row.words
    return Row(row.name, where, 0, row.required, words, row.bounds, row.pattern, row.choices)


def _answer(status: str, said: Any, schemas: Any) -> Answer:
    headers = tuple(
        _row(name, {**each["schema"], "description": each.get("description", "")}, schemas, 0, True)
        for name, each in said.get("headers", {}).items()
    )
    rows = tuple(_rows(_content(said).get("schema", {}), schemas))
    return Answer(status, _words(said.get("description", "")), headers, rows)


def _rows(schema: Any, schemas: Any, depth: int = 0) -> Iterator[Row]:
    """The fields of an object, each followed by those inside it."""
    schema = _resolved(schema, schemas)
    if depth > MAX_DEPTH:
        return
    required = schema.get("required", ())
    for name, said in schema.get("properties", {}).items():
        yield _row(name, said, schemas, depth, name in required)
        yield from _inside(said, schemas, depth + 1)


def _inside(said: Any, schemas: Any, depth: int) -> Iterator[Row]:
    said = _resolved(said, schemas)
    if said.get("type") == "array":
        said = _resolved(said["items"], schemas)
    yield from _rows(said, schemas, depth)


def _targets(schemas: Any) -> Iterator[Row]:
    for one in schemas["StepRequest"]["properties"]["target"]["oneOf"]:
        yield Row(one["title"], "")
        yield from _rows(one, schemas, 1)


def _row(name: str, said: Any, schemas: Any, depth: int, required: bool) -> Row:
    full = _resolved(said, schemas)
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


def _kind(said: Any, schemas: Any) -> str:
    if all("title" in one for one in said.get("oneOf", [{}])):
        return "target"
    kind = str(said.get("format") or said.get("type") or "object")
    if kind == "array":
        kind = f"list of {_kind(_resolved(said['items'], schemas), schemas)}s"
    return f"{kind} or null" if said.get("nullable") else kind


def _resolved(said: Any, schemas: Any) -> Any:
    """With what it refers to; its own words go before the words of that."""
    while "$ref" in said or len(said.get("allOf", ())) == 1:
        inner = schemas[said["$ref"].rsplit("/", 1)[-1]] if "$ref" in said else said["allOf"][0]
        said = {**inner, **{key: it for key, it in said.items() if key not in ("$ref", "allOf")}}
    return said


def _words(text: str) -> Words:
    return tuple((part, place % 2 == 1) for place, part in enumerate(text.split("`")) if part)
