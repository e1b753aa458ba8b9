"""base64url: each byte string has exactly one text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediation.domain import b64url
from remediation.domain.errors import BadValue
from tests.every import every


@given(st.binary())
def test_what_is_written_reads_back(raw: bytes) -> None:
    assert b64url.decode(b64url.encode(raw)) == raw


@given(st.text())
def test_text_is_read_to_bytes_that_write_it_again_or_refused(text: str) -> None:
    with contextlib.suppress(BadValue):
        assert b64url.encode(b64url.decode(text)) == text


@every("text", ["AA==", "A", "AB", "A A", "A+/A", "AAA\n", "é"])
def test_another_form_of_the_same_bytes_is_refused(text: str) -> None:
    with pytest.raises(BadValue):
        b64url.decode(text)
