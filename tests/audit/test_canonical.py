"""Canonical bytes: one byte string for each value, as in RFC 8785 for the accepted values."""

from __future__ import annotations

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from audit.tlog.canonical import MAX_DEPTH, MAX_INTEGER, Json, encode
from audit.tlog.errors import NotCanonical
from tests.every import every

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
KEYS = st.text(st.characters(max_codepoint=127, exclude_characters="\0"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-MAX_INTEGER, MAX_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
)


@given(VALUES)
def test_it_gives_the_bytes_of_rfc_8785(value: Json) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(VALUES)
def test_what_it_writes_reads_back_to_the_same_value_and_bytes(value: Json) -> None:
    raw = encode(value)
    assert json.loads(raw) == value
    assert encode(json.loads(raw)) == raw


def test_the_order_of_keys_does_not_matter() -> None:
    assert encode({"b": 1, "a": {"d": 2, "c": 3}}) == b'{"a":{"c":3,"d":2},"b":1}'
    assert encode({"a": {"c": 3, "d": 2}, "b": 1}) == b'{"a":{"c":3,"d":2},"b":1}'


def test_text_is_utf_8_with_the_escapes_of_rfc_8785_only() -> None:
    value = "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"\u002f\u007f\u2028"
    assert encode(value) == '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/\x7f\u2028"'.encode()


@every(
    ("value", "detail", "pointer"),
    [
        ({"a": [1, 1.5]}, "float", "/a/1"),
        ({"a": float("nan")}, "float", "/a"),
        ([MAX_INTEGER + 1], "2^53-1", "/0"),
        ([-MAX_INTEGER - 1], "2^53-1", "/0"),
        ({"é": 1}, "ASCII", ""),
        ({1: 1}, "not text", ""),
        ({"a\0": 1}, "NUL", ""),
        ({"a": "x\0"}, "NUL", "/a"),
        (["\ud800"], "surrogate", "/0"),
        ([b"bytes"], "bytes", "/0"),
        ([(1, 2)], "tuple", "/0"),
        ([{1, 2}], "set", "/0"),
    ],
)
def test_values_that_parsers_read_differently_are_refused_at_their_place(
    value: object, detail: str, pointer: str
) -> None:
    with pytest.raises(NotCanonical) as refused:
        encode(value)
    assert detail in refused.value.detail
    assert refused.value.pointer == pointer


def test_the_largest_integer_of_a_double_is_accepted() -> None:
    assert encode([MAX_INTEGER, -MAX_INTEGER]) == b"[9007199254740991,-9007199254740991]"


def test_nesting_is_bounded_and_refused_by_name() -> None:
    value: Json = 1
    for _ in range(MAX_DEPTH):
        value = [value]
    encode(value)
    with pytest.raises(NotCanonical, match="deeply"):
        encode([value])


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(NotCanonical, match="deeply"):
        encode(endless)
