"""docs/attacks.md A63: oversized, deep or compressed requests are refused with limited memory."""

from __future__ import annotations

import gzip
import json
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest

from remediation import models as m
from remediation.api import parsers
from remediation.api.problems import BodyUnreadable, LengthRequired
from remediation.domain import plan
from remediation.domain import report as reports
from remediation.domain.errors import TooLarge
from tests.api.conftest import Caller, key, problem, proposed, report, told
from tests.every import every

LIMIT = settings.REPORT_MAX_BYTES


def with_content(size: int, *, spaces: int = 0) -> bytes:
    """Return a report with an artefact of this size, padded with white space."""
    content = "x" * size
    body = report()
    body["evidence"][0] |= {"content": content, "sha256": sha256(content.encode()).hexdigest()}
    body["diagnosis"]["claims"] = []
    return json.dumps(body).encode() + b" " * spaces


def test_a63_a_body_over_the_limit_is_refused(scanner: Caller) -> None:
    problem(scanner.post("reports", b" " * (LIMIT + 1)), 413, "too_large")


def test_a63_a_body_of_exactly_the_limit_is_read(scanner: Caller) -> None:
    small = with_content(100)
    raw = with_content(100, spaces=LIMIT - len(small))
    assert len(raw) == LIMIT
    told(scanner.post("reports", raw), 201)


def test_a63_an_artefact_over_the_limit_is_refused(scanner: Caller) -> None:
    told(scanner.post("reports", with_content(reports.MAX_ARTEFACT_BYTES)), 201)
    answer = problem(
        scanner.post("reports", with_content(reports.MAX_ARTEFACT_BYTES + 1)), 413, "too_large"
    )
    assert answer["errors"][0]["pointer"] == "#/evidence/0/content"


def test_a63_a_plan_over_the_limit_is_refused(scanner: Caller) -> None:
    steps = [
        {
            "action": "test.noop",
            "target": {"kind": "test.target", "name": f"t{n}"},
            "parameters": {"note": "x" * 19_000},
        }
        for n in range(2)
    ]
    body = report()
    body["proposal"]["plan"]["steps"] = steps
    assert len(json.dumps(steps)) > plan.MAX_BYTES
    problem(scanner.post("reports", body), 413, "too_large")


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"[" * 1_000_000, "too_deep"),
        (b'{"a":' * 1_000_000, "too_deep"),
        (b"[" + b"[]," * 1_000_000 + b"[]]", "too_many_keys"),
        (b"{" + b",".join(b'"%d":0' % n for n in range(600_000)) + b"}", "too_many_keys"),
        (b'{"a":' + b"9" * 1_000_000 + b"}", "integer_too_large"),
    ],
)
def test_a63_what_would_grow_when_parsed_is_refused_before_it_does(
    raw: bytes, name: str, scanner: Caller
) -> None:
    problem(scanner.post("reports", raw), 400, name)
    assert not m.Incident.objects.exists()


def test_a63_a_compressed_body_is_refused_unread(scanner: Caller) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    for coding in ("gzip", "deflate", "br", "identity, gzip", "GZIP"):
        headers = {"Content-Encoding": coding, "Idempotency-Key": key()}
        response = scanner.ask("POST", "reports", bomb, headers=headers)
        problem(response, 415, "unsupported_media_type")
        assert response["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/vnd.api+json",
        "application/json; charset=utf-16",
        "application/json; charset=latin-1",
    ],
)
def test_a_body_of_another_type_is_refused(content_type: str, scanner: Caller) -> None:
    headers = {"Idempotency-Key": key()}
    raw = json.dumps(report()).encode()
    response = scanner.ask("POST", "reports", raw, headers=headers, content_type=content_type)
    problem(response, 415, "unsupported_media_type")
    assert response["Accept"] == "application/json"


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/JSON;charset=UTF-8"]
)
def test_every_spelling_of_the_json_content_type_is_accepted(
    content_type: str, scanner: Caller
) -> None:
    headers = {"Idempotency-Key": key()}
    raw = json.dumps(report()).encode()
    told(scanner.ask("POST", "reports", raw, headers=headers, content_type=content_type), 201)


@pytest.mark.parametrize("verb", ["withdraw", "supersede"])
def test_a63_other_bodies_have_a_smaller_limit(verb: str, scanner: Caller) -> None:
    path = f"proposals/{scanner.proposes()}/{verb}"
    problem(scanner.post(path, b" " * (parsers.SMALL_BODY + 1)), 413, "too_large")


def test_the_largest_plan_fits_into_the_smaller_limit(scanner: Caller) -> None:
    path = f"proposals/{scanner.proposes()}/supersede"
    largest = proposed("t2", note="\u0001" * 5_000)
    largest["rationale"] = "\u0001" * 4_000
    told(scanner.post(path, {"proposal": largest, "reason": "Wider."}), 201)


# ---- the stream itself ---------------------------------------------------------------------------


class Stream(BytesIO):
    """A stream that counts the bytes read from it."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0, "an unbounded read"
        piece = super().read(size)
        self.taken += len(piece)
        return piece


def request(stream: Any, **meta: Any) -> WSGIRequest:
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/api/v1/reports",
        "CONTENT_TYPE": "application/json",
        "wsgi.input": stream,
        **meta,
    }
    return WSGIRequest(environ)


CHUNKED = {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input_terminated": True}


def test_a63_what_says_that_it_is_too_long_is_not_read_at_all() -> None:
    for length in ("101", "9" * 30, "9" * 100_000):
        stream = Stream(b"x" * 101)
        with pytest.raises(TooLarge):
            parsers.body(request(stream, CONTENT_LENGTH=length), 100)
        assert stream.taken == 0


def test_a63_a_chunked_body_is_read_to_the_first_byte_too_many() -> None:
    stream = Stream(b"x" * 1_000_000)
    with pytest.raises(TooLarge):
        parsers.body(request(stream, **CHUNKED), 100)
    assert stream.taken == 101
    assert parsers.body(request(Stream(b"x" * 100), **CHUNKED), 100) == b"x" * 100


@every("length", [None, "", "-1", "1.0", "0x10", "١", " 1"])
def test_a_body_without_an_end_is_refused(length: str | None) -> None:
    meta = {} if length is None else {"CONTENT_LENGTH": length}
    with pytest.raises(LengthRequired):
        parsers.body(request(Stream(b"{}"), **meta), 100)
    # Without decoded chunks the stream would never end.
    with pytest.raises(LengthRequired):
        parsers.body(request(Stream(b"{}"), HTTP_TRANSFER_ENCODING="chunked"), 100)


def test_a_body_that_breaks_off_is_refused() -> None:
    class Broken(Stream):
        def read(self, size: int | None = -1) -> bytes:
            raise ConnectionResetError

    for stream, meta in (
        (Stream(b'{"a":1}'), {"CONTENT_LENGTH": "8"}),
        (Broken(), {"CONTENT_LENGTH": "8"}),
        (Broken(), CHUNKED),
    ):
        with pytest.raises(BodyUnreadable):
            parsers.body(request(stream, **meta), 100)


def test_only_content_length_bytes_are_read() -> None:
    stream = Stream(b'{"a":1}POST /next HTTP/1.1')
    assert parsers.body(request(stream, CONTENT_LENGTH="7"), 100) == b'{"a":1}'
