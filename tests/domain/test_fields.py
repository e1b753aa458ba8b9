"""Reading fields from JSON: every mismatch is refused by name and place."""

from __future__ import annotations

import re

import pytest

from remediation.domain.errors import BadInput, BadValue, MissingField, UnknownField, WrongType
from remediation.domain.fields import Fields
from tests.every import every

UUID = "0a11ce00-0000-4000-8000-000000000001"


def test_an_unknown_or_missing_field_is_refused_at_its_object() -> None:
    with pytest.raises(UnknownField, match="'b'"):
        Fields({"a": 1, "b": 2}, "/x", required=("a",))
    with pytest.raises(MissingField, match="at /x"):
        Fields({}, "/x", required=("a",))
    assert "b" not in Fields({"a": 1}, required=("a",), optional=("b",))


@pytest.mark.parametrize("value", [None, 1, "x", [], True])
def test_what_is_not_an_object_is_refused(value: int | str | list[object] | None) -> None:
    with pytest.raises(WrongType):
        Fields(value, required=())  # type: ignore[arg-type]


SOURCE = Fields(
    {
        "text": "abc",
        "int": 5,
        "true": True,
        "list": ["a", 1],
        "words": ["abc"],
        "id": UUID,
        "time": "2026-01-01T00:00:00Z",
        "sha": "a" * 64,
        "map": {},
    },
    "/s",
    required=("text", "int", "true", "list", "words", "id", "time", "sha", "map"),
)


def test_fields_of_the_right_kind_are_taken() -> None:
    assert SOURCE.text("text", 3) == "abc"
    assert SOURCE.integer("int", 5, 5) == 5
    assert SOURCE.boolean("true") is True
    assert SOURCE.array("list", lambda value, at: (value, at), most=2) == (
        ("a", "/s/list/0"),
        (1, "/s/list/1"),
    )
    assert SOURCE.uuid("id") == UUID
    assert SOURCE.sha256("sha") == "a" * 64
    assert SOURCE.mapping("map") == {}
    assert SOURCE.instant("time").year == 2026


@every(
    ("take", "refusal"),
    [
        (lambda: SOURCE.text("int", 9), WrongType),
        (lambda: SOURCE.text("text", 2), BadValue),
        (lambda: SOURCE.text("text", 9, least=4), BadValue),
        (lambda: SOURCE.integer("true", 0, 9), WrongType),
        (lambda: SOURCE.integer("int", 6, 9), BadValue),
        (lambda: SOURCE.boolean("int"), WrongType),
        (lambda: SOURCE.array("text", lambda v, _: v, most=9), WrongType),
        (lambda: SOURCE.array("list", lambda v, _: v, most=1), BadValue),
        (lambda: SOURCE.texts("list"), WrongType),
        (lambda: SOURCE.texts("words", longest=2), BadValue),
        (lambda: SOURCE.uuid("text"), BadValue),
        (lambda: SOURCE.sha256("text"), BadValue),
        (lambda: SOURCE.mapping("list"), WrongType),
        (lambda: SOURCE.instant("text"), BadValue),
        (lambda: SOURCE.one_of("text", ("x", "y")), BadValue),
        (lambda: SOURCE.matching("text", re.compile("b"), "b"), BadValue),
    ],
)
def test_fields_of_another_kind_are_refused_where_they_stand(
    take: object, refusal: type[BadInput]
) -> None:
    with pytest.raises(refusal) as refused:
        take()  # type: ignore[operator]
    assert refused.value.pointer.startswith("/s/")
