"""`hitlportal health`: the signs of life of real processes, while their broker goes and comes."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from hitlportal import health, heartbeat, places
from hitlportal.demo.installation import inherited
from hitlportal.demo.servers.account import remove_home
from hitlportal.demo.servers.process import Child
from hitlportal.demo.servers.valkey import ValkeyServer
from hitlportal.heartbeat import Heartbeat
from tests.settings import login_url

SWEEPER = ["worker", "-Q", "sweep", "--pool", "solo", "-n", "sweeper@here"]
QUIET = ["--without-mingle", "--without-gossip", "--without-heartbeat"]


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    directory = Path(tempfile.mkdtemp(prefix="hitlportal-health-"))
    directory.chmod(0o711)
    server = ValkeyServer(directory / "valkey")
    server.start()
    yield server
    server.stop()
    remove_home(directory)


def until(holds: Callable[[], bool], what: Callable[[], str]) -> None:
    give_up = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < give_up, what()
        time.sleep(0.05)


def test_worker_and_beat_give_signs_while_they_reach_the_broker(
    valkey: ValkeyServer, tmp_path: Path
) -> None:
    common = {"HITL_BROKER_URL": valkey.url(), "HITL_HEARTBEAT_DIR": str(tmp_path)}
    beat = inherited() | common | {"HITL_PROCESS": "beat"}
    worker = inherited() | common | {
        "HITL_PROCESS": "worker",
        "HITL_SECRET_KEY": "x" * 60,
        "HITL_CACHE_URL": valkey.url(1),
        "HITL_ORIGIN": "http://localhost:8000",
        "HITL_DATABASE_URL": login_url("hitl_worker"),
    }  # fmt: skip
    said = lambda name: health.process(str(tmp_path), name)  # noqa: E731
    children = []
    for name, arguments, environment in (
        ("sweeper", [*SWEEPER, *QUIET], worker),
        ("beat", ["beat", "--schedule", str(tmp_path / "schedule")], beat),
    ):
        command = [sys.executable, "-m", "celery", "-A", "hitlportal.celery", *arguments]
        log = tmp_path / f"{name}.log"
        children.append(Child(command, log=log, cwd=places.START, env=environment))
    try:
        for name in ("sweeper", "beat"):
            log = tmp_path / f"{name}.log"
            until(lambda: said(name) == "", lambda: said(name) + log.read_text())  # noqa: B023
        valkey.stop()
        until(lambda: heartbeat.CUT_OFF in said("sweeper"), lambda: said("sweeper"))
        silent = (tmp_path / "beat.alive").stat().st_mtime_ns
        valkey.start()
        until(lambda: said("sweeper") == "", lambda: said("sweeper"))
        until(
            lambda: (tmp_path / "beat.alive").stat().st_mtime_ns > silent, lambda: "beat stays away"
        )
    finally:
        for child in children:
            child.stop()


def sign(directory: Path, state: str, age: float) -> str:
    """Return what is said of a process whose last sign is that old."""
    file = heartbeat.file_of(directory, "worker")
    file.write_text(state)
    then = time.time() - age
    os.utime(file, (then, then))
    return health.process(str(directory), "worker")


def test_a_process_that_is_silent_or_busy_for_too_long_does_not_work(tmp_path: Path) -> None:
    assert sign(tmp_path, "idle", 5) == ""
    assert sign(tmp_path, "idle", 60).startswith("no sign of life since 60 s")
    assert sign(tmp_path, "idle", -600) != ""  # from the future: nobody knows
    assert sign(tmp_path, "busy remediation.sweep", 60) == ""
    assert "remediation.sweep" in sign(tmp_path, "busy remediation.sweep", 600)
    assert "broker" in sign(tmp_path, heartbeat.CUT_OFF, 1)


def test_what_cannot_be_known_is_no_health(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HITL_HEARTBEAT_DIR", raising=False)
    assert health.main(["worker"]) == 1
    assert "HITL_HEARTBEAT_DIR" in capsys.readouterr().out
    monkeypatch.setenv("HITL_HEARTBEAT_DIR", str(tmp_path))
    assert health.main(["worker", "../worker", "beat"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 3
    heartbeat.file_of(tmp_path, "worker").mkdir()
    assert health.process(str(tmp_path), "worker").startswith("not known")


def test_a_fork_gives_no_sign_and_a_full_disk_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HITL_HEARTBEAT_DIR", str(tmp_path / "none"))
    pulse = Heartbeat()
    pulse.open("worker")
    pulse.beat()
    assert "no sign of life" in caplog.text
    (tmp_path / "none").mkdir()
    monkeypatch.setattr(heartbeat.os, "getpid", lambda: 1)
    pulse.beat()
    assert list((tmp_path / "none").iterdir()) == []


class Answers(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_web_is_asked_by_its_address() -> None:
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/readyz"
        assert health.web(url) == ""
        Answers.status = 503
        assert "its log names" in health.web(url)
        Answers.status = 404
        assert "404" in health.web(url)
        server.shutdown()
    assert "does not answer" in health.web(url)
    assert "no address" in health.web("file:///etc/passwd")
