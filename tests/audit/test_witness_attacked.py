"""Half-sent requests take no place from a log: cosigning goes on during the attack (A85).

Ports that the product opens itself are listed here; gunicorn's are behind the proxy (A75).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest

from audit import witness_server
from audit.witness_server import Server
from tests.audit.test_witness import Served, request
from tests.domain.record import Book
from tests.every import every

ROOT = Path(__file__).resolve().parents[2]
LISTENS = re.compile(r"HTTPServer[()]|socketserver|\.listen\(|\.bind\(\(|start_server")
# A witness is the only server that the product brings; the demo's servers are on loopback.
PORTS = {"audit/witness_server.py"}
SENT = (b"", b"POST /add", b"POST /add-checkpoint HTTP/1.1\r\nContent-Length: 60000\r\n\r\nold")


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A witness with few places; its limit of time does not help within a test."""
    monkeypatch.setattr(witness_server, "MAX_CLIENTS", 8)
    monkeypatch.setattr(witness_server, "PER_ADDRESS", 3)
    monkeypatch.setattr(witness_server, "WHOLE_S", 600.0)
    monkeypatch.setattr(witness_server.Handler, "timeout", 600.0)
    running = Served(tmp_path / "w")
    yield running
    running.stop()


@pytest.fixture
def book() -> Book:
    made = Book()
    made.filler(20)
    return made


@contextmanager
def attack(served: Served, addresses: range, each: int) -> Iterator[None]:
    """Hold connections with half-sent requests from addresses 127.0.0.N, interleaved."""
    with ExitStack() as held:
        for number in range(each):
            for last in addresses:
                to = socket.create_connection(
                    ("127.0.0.1", served.port), timeout=60, source_address=(f"127.0.0.{last}", 0)
                )
                held.callback(to.close)
                try:
                    to.sendall(SENT[number % len(SENT)])
                except OSError:
                    continue  # cut off already
        yield


@every("addresses", [range(1, 2), range(2, 3), range(2, 12), range(1, 30)])
def test_a85_half_sent_requests_do_not_stop_cosigning(
    served: Served, book: Book, addresses: range
) -> None:
    """From the log's own address, from another, from several, from more than there are places."""
    old = served.remembering.memory("portal.example/audit")
    size = int((old.read() or "\n0").split("\n")[1])
    for _ in range(2):
        with attack(served, addresses, 4):
            assert served.ask(request(book, size, size + 2))[0] == 200
            size += 2


def test_a85_control_without_eviction_the_log_is_kept_away(
    served: Served, book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Server, address: str) -> bool:
        return len(self._clients) < witness_server.MAX_CLIENTS

    monkeypatch.setattr(Server, "_make_room", refuse)
    with attack(served, range(2, 12), 4), pytest.raises((OSError, HTTPException)):
        served.ask(request(book, 0, 2))


def test_a85_no_other_part_of_the_product_opens_a_port() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for room in ("audit", "hitlportal", "remediation")
        for path in (ROOT / room).rglob("*.py")
        if LISTENS.search(path.read_text("utf-8"))
    }
    assert {one for one in found if not one.startswith("hitlportal/demo/")} == PORTS
