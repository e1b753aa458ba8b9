"""Inputs drawn from the JSON Schema of an action's parameters."""

from __future__ import annotations

from typing import Any

import pytest

from remediation.domain.catalogue import ACTIONS
from remediation.domain.errors import BadInput, MissingField
from remediation.domain.schema_inputs import InputKind, inputs_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "short": {"type": "string", "maxLength": 5, "description": "A word."},
        "long": {"type": "string", "maxLength": 20_000},
        "whole": {"type": "integer", "minimum": 1, "maximum": 60},
        "pick": {"enum": ["a", "b"]},
        "flag": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "string"}},
        "deep": {"type": "object", "properties": {"x": {"type": "integer"}}},
    },
    "required": ["whole"],
    "additionalProperties": False,
}
INPUTS = {one.name: one for one in inputs_of(SCHEMA)}


def test_each_property_has_an_input_of_its_kind_in_order() -> None:
    assert [(name, one.kind.value) for name, one in INPUTS.items()] == [
        ("short", "text"), ("long", "long"), ("whole", "whole"), ("pick", "choice"),
        ("flag", "yes_no"), ("list", "lines"), ("deep", "json"),
    ]  # fmt: skip
    assert [name for name, one in INPUTS.items() if one.required] == ["whole"]
    assert INPUTS["short"].description == "A word."


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("short", "abc", "abc"),
        ("long", "a\r\nb", "a\nb"),
        ("whole", " 60 ", 60),
        ("pick", "b", "b"),
        ("flag", "yes", True),
        ("flag", "no", False),
        ("list", "a\r\n\r\n b ", ["a", "b"]),
        ("deep", '{"x": 1}', {"x": 1}),
    ],
)
def test_what_is_typed_is_read_and_shown_again(name: str, typed: str, value: Any) -> None:
    one = INPUTS[name]
    assert one.read(typed) == value
    assert one.read(one.show(value)) == value


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("short", "abcdef"),
        ("whole", "0"),
        ("whole", "61"),
        ("whole", "1.5"),
        ("whole", "٣"),
        ("pick", "c"),
        ("flag", "maybe"),
        ("deep", "{"),
        ("deep", '{"x": 1.5}'),
    ],
)
def test_what_does_not_fit_is_refused(name: str, typed: str) -> None:
    with pytest.raises(BadInput):
        INPUTS[name].read(typed)


def test_nothing_typed_is_missing() -> None:
    for one in INPUTS.values():
        with pytest.raises(MissingField):
            one.read("  ")


def test_every_schema_of_the_catalogue_can_be_drawn() -> None:
    for spec in ACTIONS.values():
        drawn = inputs_of(spec.parameters)
        assert {one.name for one in drawn} == set(spec.parameters["properties"])  # type: ignore[call-overload, arg-type]
        assert all(one.kind is not InputKind.JSON for one in drawn)
