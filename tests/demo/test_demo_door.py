"""The demo's port: nobody else answers where its tokens go."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hitlportal.demo import door
from hitlportal.demo.agent.client import Client
from hitlportal.demo.door import Door, NotOurs, opened
from hitlportal.demo.servers.errors import ServerFailed
from hitlportal.demo.servers.ports import LOOPBACK, free_port
from hitlportal.demo.servers.process import Child

APP = """
def application(environ, start):
    start("200 OK", [("Content-Type", "application/json")])
    return [b'{"state": "succeeded"}']
"""
MODULE, TOKEN = "stand_in", "the-agents-token"


class Foreign(BaseHTTPRequestHandler):
    """Answers everything with 200 and keeps what it was sent."""

    seen: list[str]

    def do_GET(self) -> None:
        self.seen.append(self.headers.get("Authorization", ""))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"state": "succeeded"}')

    def log_message(self, *_: object) -> None:
        """Log nothing."""


class ForeignServer(ThreadingHTTPServer):
    daemon_threads = True


class ForeignServer6(ForeignServer):
    address_family = socket.AF_INET6


@contextmanager
def foreign(port: int, address: str = LOOPBACK) -> Iterator[list[str]]:
    """A stranger's server. Raises OSError when it cannot listen."""
    seen: list[str] = []
    kind = ForeignServer6 if ":" in address else ForeignServer
    with kind((address, port), type("Handler", (Foreign,), {"seen": seen})) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield seen
        finally:
            server.shutdown()
            thread.join()


def web(directory: Path, binds: tuple[str, ...], fds: tuple[int, ...] = ()) -> Child:
    (directory / f"{MODULE}.py").write_text(APP)
    argv = [sys.executable, "-m", "gunicorn", MODULE, *binds, "--no-control-socket"]
    return Child(argv, log=directory / "log", cwd=directory, env={}, pass_fds=fds)


def report_to(port: int) -> None:
    """What the demo does once the web answers: an agent sends its token."""
    Client(f"http://localhost:{port}", TOKEN, sleep=lambda _: None).follow("p", tries=1)


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    monkeypatch.delenv("HITL_DEMO_PORT", raising=False)
    made = Door(0)
    yield made
    made.close()


def test_nobody_else_listens_from_the_choice_on(held: Door) -> None:
    for address in (LOOPBACK, "0.0.0.0", "::1", "::"):
        with pytest.raises(OSError, match="in use"), foreign(held.port, address):
            pass


def test_the_web_that_inherits_the_port_gets_the_token(held: Door, tmp_path: Path) -> None:
    child = web(tmp_path, held.binds, held.descriptors)
    try:
        report_to(held.port)  # waits in the queue until the web serves
        held.prove(child.pid)
        for family, address in door.ADDRESSES:
            with socket.socket(family) as client:
                client.connect((address, held.port))
    finally:
        child.stop()
    with pytest.raises(OSError, match="in use"), foreign(held.port):
        pass  # the supervisor holds the port also after its web ended


def test_control_a_port_that_was_only_probed_lets_a_stranger_take_the_token(tmp_path: Path) -> None:
    """What the demo did before: probe, close, bind later, and trust any 200."""
    port = free_port()
    with foreign(port) as seen:
        child = web(tmp_path, ("--bind", f"{LOOPBACK}:{port}"))
        try:
            report_to(port)
        finally:
            child.kill()
    assert seen == [f"Bearer {TOKEN}"]


def test_a_stranger_on_the_other_loopback_address_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    with foreign(port, "::1"):
        (tmp_path / "port").write_text(str(port))
        monkeypatch.delenv("HITL_DEMO_PORT", raising=False)
        with pytest.raises(ServerFailed, match="is taken"):
            opened(tmp_path / "port")


def test_a_stranger_where_localhost_also_leads_is_seen_before_a_token_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "ADDRESSES", door.ADDRESSES[:1])  # the guard is away: IPv4 only
    monkeypatch.setattr(door, "_localhost", lambda: {LOOPBACK, "::1"})
    held = Door(0)
    child = web(tmp_path, held.binds, held.descriptors)
    try:
        report_to(held.port)
        held.prove(child.pid)
        with foreign(held.port, "::1"), pytest.raises(NotOurs, match="::1"):
            held.prove(child.pid)
    finally:
        child.stop()
        held.close()


def test_a_process_without_the_socket_is_not_the_web(held: Door, tmp_path: Path) -> None:
    other = Child(["sleep", "60"], log=tmp_path / "log", cwd=tmp_path, env={"PATH": "/bin"})
    try:
        with pytest.raises(NotOurs, match="does not listen"):
            held.prove(other.pid)
    finally:
        other.stop()


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "٣"])
def test_what_is_no_port_is_refused(
    port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HITL_DEMO_PORT", port)
    with pytest.raises(ServerFailed, match="is no port"):
        opened(tmp_path / "port")
    assert not (tmp_path / "port").exists()
