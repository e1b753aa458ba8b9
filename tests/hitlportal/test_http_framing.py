"""Where a request ends, however its bytes come."""

from __future__ import annotations

import pytest

from hitlportal.http_framing import MAX_BODY, Framing

CHUNKED = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
REQUESTS = {
    "no body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "a length": b"POST / HTTP/1.1\r\ncontent-LENGTH:5 \r\nX: y\r\n\r\nab\r\n\r",
    "chunks": CHUNKED + b"1\r\n0\r\nA;x=y\r\n0\r\n\r\n01234\r\n0\r\n\r\n",
    "a trailer": CHUNKED + b"1\r\n0\r\n0\r\nX: y\r\n\r\n",
}
NEXT = b"GET /next HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_ends_at_the_same_byte_in_one_piece_and_in_many(request_: bytes) -> None:
    at_once, bytewise = Framing(), Framing()
    at_once.feed(request_ + NEXT)
    for at in range(len(request_)):
        assert not bytewise.is_whole, request_[:at]
        bytewise.feed(request_[at : at + 1])
    assert bytewise.take() == at_once.take() == request_
    assert not at_once.is_whole  # until it is asked
    at_once.feed(b"")
    assert at_once.take() == NEXT


@pytest.mark.parametrize(
    "odd",
    [
        CHUNKED + b"xyz\r\n",
        CHUNKED + b"1" * 2000,
        CHUNKED + b"1\r\n" + b"0" * (MAX_BODY + 10),
        CHUNKED + b"0\r\n" + b"X: y\r\n" * 20_000,
        b"x" * 70_000,
        b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    ],
    ids=["no size", "endless size", "long chunks", "long trailer", "long head", "long", "minus"],
)
def test_what_is_too_long_or_malformed_waits_for_nothing(odd: bytes) -> None:
    framing = Framing()
    framing.feed(odd)
    assert framing.is_whole
    assert len(framing.take()) <= len(odd)


def test_a_client_that_sends_no_more_is_not_waited_for() -> None:
    framing = Framing()
    framing.feed(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nab")
    assert framing.has_head and not framing.is_whole
    framing.feed(b"", is_last=True)
    assert framing.is_whole
