"""Strict JSON refuses input that parsers read differently (A06) and bounds memory (A63)."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain.errors import BadInput
from remediation.domain.strict import escape, parse
from tests.every import every

MIB = 1024 * 1024


def refusal(raw: bytes, **limits: int) -> str:
    with pytest.raises(BadInput) as refused:
        parse(raw, **{"max_bytes": MIB, **limits})
    return refused.value.name


@every(
    ("raw", "name"),
    [
        (b'{"a":1,"a":2}', "duplicate_key"),
        (b'{"a":1,"\\u0061":2}', "duplicate_key"),
        (b'[{"x":{"b":1,"b":1}}]', "duplicate_key"),
        (b"1.0", "float_not_allowed"),
        (b"1e3", "float_not_allowed"),
        (b"-0", "float_not_allowed"),
        (b"NaN", "float_not_allowed"),
        (b"Infinity", "float_not_allowed"),
        (b"-Infinity", "float_not_allowed"),
        (b"9007199254740992", "integer_too_large"),
        (b"-9007199254740992", "integer_too_large"),
        (b"9" * 5_000, "integer_too_large"),
        (b'"\\ud800"', "lone_surrogate"),
        (b'["\\udc00\\ud800"]', "lone_surrogate"),
        (b'{"\\ud800":1}', "lone_surrogate"),
        (b'"\\u0000"', "bad_value"),
        (b'{"\\u0000":1}', "bad_value"),
        ('{"é":1}'.encode(), "bad_value"),
        (b"", "malformed_json"),
        (b"{", "malformed_json"),
        (b"[1,]", "malformed_json"),
        (b"{'a':1}", "malformed_json"),
        (b"[1] [2]", "malformed_json"),
        (b"// x\n1", "malformed_json"),
        (b'"a\nb"', "malformed_json"),
        (b"\xef\xbb\xbf1", "malformed_json"),
        (b'"\xff"', "malformed_json"),
        (b'"\xed\xa0\x80"', "malformed_json"),
        ("1".encode("utf-16"), "malformed_json"),
        (b"01", "malformed_json"),
        (b"+1", "malformed_json"),
    ],
)
def test_a06_what_parsers_disagree_about_is_refused_by_name(raw: bytes, name: str) -> None:
    assert refusal(raw) == name


def test_a_refusal_inside_a_document_names_its_place() -> None:
    with pytest.raises(BadInput) as refused:
        parse(b'{"a/b":["x","\\ud800"]}', max_bytes=MIB)
    assert refused.value.pointer == "/a~1b/1"


def test_a63_size_is_checked_before_anything_else() -> None:
    assert refusal(b"{" * 11, max_bytes=10) == "too_large"
    assert parse(b'"12345678"', max_bytes=10) == "12345678"


def test_a63_nesting_is_refused_however_deep() -> None:
    assert refusal(b"[" * MIB) == "too_deep"
    assert refusal(b'{"a":' * 33 + b"1" + b"}" * 33) == "too_deep"
    assert parse(b"[" * 32 + b"]" * 32, max_bytes=MIB)


def test_a63_keys_and_items_are_counted_before_they_are_built() -> None:
    many = ",".join(f'"k{n}":1' for n in range(50_000)).encode()
    assert refusal(b"{" + many + b"}") == "too_many_keys"
    assert refusal(b"[" + b"0," * 50_000 + b"0]") == "too_many_keys"
    assert refusal(b"[" + b"{}," * 50_000 + b"0]") == "too_many_keys"


def test_structure_inside_text_is_not_counted() -> None:
    text = '\\",:[]{}' * 20_000
    assert parse(json.dumps(text).encode(), max_bytes=MIB) == text


@pytest.mark.parametrize(
    "raw",
    [b'"' + b'\\"' * (MIB // 2 - 1), b'"' * MIB, b"\\" * MIB, b'"\\' * (MIB // 2), b"{}" * 9],
)
def test_a63_text_that_never_ends_is_refused_in_one_pass(raw: bytes) -> None:
    assert refusal(raw) == "malformed_json"


@given(st.binary(max_size=200))
def test_only_named_refusals_escape_for_any_bytes(raw: bytes) -> None:
    with contextlib.suppress(BadInput):
        parse(raw, max_bytes=150)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_what_is_accepted_is_what_the_standard_parser_reads(value: object) -> None:
    raw = json.dumps(value).encode()
    with contextlib.suppress(BadInput):
        assert parse(raw, max_bytes=MIB) == json.loads(raw)


@given(st.text())
def test_an_escaped_key_has_no_bare_separator(key: str) -> None:
    token = escape(key)
    assert "/" not in token
    assert token.replace("~1", "/").replace("~0", "~") == key
