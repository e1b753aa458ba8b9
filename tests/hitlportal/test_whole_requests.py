"""The web process serves people while others send half a request (A75). Real gunicorn, sockets."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hitlportal import places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers.ports import LOOPBACK, free_port
from hitlportal.demo.servers.process import Child
from tests.hitlportal import quick_gunicorn

APPLICATION = "tests.hitlportal.quick_gunicorn:echo"
QUICK = ("--config", "python:tests.hitlportal.quick_gunicorn")
OLD = ("--workers", "1", "--threads", "4", "--no-control-socket")  # what was shipped before
HALVES = {
    "nothing": b"",
    "a line": b"GET / HTTP/1.1\r\n",
    "a header": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n",
    "no body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n",
    "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234",
    "half a chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12",
    "half a trailer": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y",
    "more than a body": b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHos",
}
MIB = 1024 * 1024


@contextmanager
def served(directory: Path, *flags: str) -> Iterator[int]:
    """Serve `echo`; yield the port."""
    port = free_port()
    argv = [sys.executable, "-m", "gunicorn", APPLICATION, "--bind", f"{LOOPBACK}:{port}", *flags]
    child = Child(argv, log=directory / "log", cwd=places.START, env=inherited())
    try:
        until = time.monotonic() + 60
        while not answers(port):
            assert time.monotonic() < until, (directory / "log").read_text()
            time.sleep(0.05)
        yield port
    finally:
        child.stop(10.0)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with served(tmp_path_factory.mktemp("quick"), *QUICK) as found:
        yield found


def opened(port: int, first: bytes = b"") -> socket.socket:
    made = socket.create_connection((LOOPBACK, port), timeout=30)
    made.sendall(first)
    return made


def answers(port: int, within: float = 2.0) -> bool:
    """Return whether somebody else gets an answer."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=within)
    try:
        connection.request("POST", "/", b"123")
        return connection.getresponse().read() == b"3"
    except OSError:
        return False
    finally:
        connection.close()


def said(end: socket.socket) -> bytes:
    """Return all that the server sends until it closes."""
    found = b""
    with contextlib.suppress(ConnectionError):
        while piece := end.recv(4096):
            found += piece
    return found


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES)
def test_a75_others_are_served_beside_half_sent_requests(port: int, half: bytes) -> None:
    with ExitStack() as stack:
        for _ in range(8):
            stack.enter_context(opened(port, half))
        assert answers(port, within=30)


def test_a75_others_are_served_beside_more_half_sent_requests_than_there_is_room(port: int) -> None:
    with ExitStack() as stack:
        ends = [stack.enter_context(opened(port, HALVES["a header"])) for _ in range(100)]
        assert answers(port, within=30)
        # The oldest went, not the newest.
        assert ends[0].recv(1) == b""


def test_a75_control_threads_that_read_serve_nobody(tmp_path: Path) -> None:
    with served(tmp_path, *OLD) as port, ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(opened(port, HALVES["half a body"]))
        time.sleep(0.5)  # until the threads have them; a control that is too early fails
        assert not answers(port)


def test_a_half_sent_request_ends_after_its_time(port: int) -> None:
    with opened(port) as silent, opened(port, HALVES["half a body"]) as half:
        assert said(silent) == b""
        assert said(half).startswith(b"HTTP/1.1 408 ")


def test_memory_is_limited_and_the_largest_goes(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (9 * MIB)
    with opened(port, head + b"x" * (7 * MIB)) as large, opened(port, head) as other:
        with contextlib.suppress(ConnectionError):
            other.sendall(b"x" * (6 * MIB))
        assert said(large) == b""
        with contextlib.suppress(ConnectionError):
            other.sendall(b"x" * (3 * MIB))
        assert b"\r\n\r\n%d" % (9 * MIB) in read_answer(other)


def read_answer(end: socket.socket) -> bytes:
    with contextlib.closing(http.client.HTTPResponse(end)) as response:
        response.begin()
        return b"\r\n\r\n" + response.read()


def test_a_connection_serves_several_requests_and_some_that_come_at_once(port: int) -> None:
    one = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
    two = (
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\n\r\n"
    )
    last = one.replace(b"Host: a", b"Connection: close")
    with opened(port, one + two) as end:
        end.sendall(last[:20])
        end.sendall(last[20:])
        assert re.findall(rb"\r\n\r\n(\d+)", said(end)) == [b"3", b"2", b"3"]


def test_a_client_that_asks_before_it_sends_is_told_to_go_on(port: int) -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    with opened(port, head) as end:
        assert end.recv(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        end.sendall(b"abc")
        assert read_answer(end) == b"\r\n\r\n3"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (b"nonsense\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n", b"HTTP/1.1 200 "),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b""),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, b""),
    ],
    ids=["no request", "too long a body", "no chunk", "endless header"],
)
def test_what_cannot_come_whole_is_judged_at_once(port: int, sent: bytes, told: bytes) -> None:
    """By gunicorn and the application, with the bytes that there are."""
    began = time.monotonic()
    with opened(port, sent) as end:
        assert said(end).startswith(told)
    assert time.monotonic() - began < quick_gunicorn.HEAD_S


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 99999999",
        b"Content-Length: 0\r\nContent-Length: 34",
        b"Content-Length : 34",
        b"Transfer-Encoding: identity",
        b"X: y\nContent-Length: 34",
        b"Transfer-Encoding: chunked\r\nContent-Length: 0",
    ],
)
def test_what_follows_an_odd_request_is_never_read_as_another(port: int, head: bytes) -> None:
    following = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
    with opened(port, b"POST / HTTP/1.1\r\n" + head + b"\r\n\r\n" + following) as end:
        assert said(end).count(b"HTTP/1.1 ") <= 1


def test_clients_that_do_not_close_hold_nobody_up(port: int) -> None:
    """gunicorn itself waits two seconds for each, in the loop that serves everybody."""
    with ExitStack() as stack:
        began = time.monotonic()
        for _ in range(20):
            end = stack.enter_context(opened(port, b"GET / HTTP/1.0\r\nHost: a\r\n\r\n"))
            assert said(end).endswith(b"0")
        assert answers(port, within=30)
        assert time.monotonic() - began < 20  # 40 s would be gunicorn's own way
