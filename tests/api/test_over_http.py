"""The API behind the real server with the real login: behaviour of sockets."""

from __future__ import annotations

import gzip
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from remediation import models as m
from tests.api.conftest import Caller, key, report
from tests.settings import login_url

pytestmark = pytest.mark.django_db(transaction=True)

MIB = 1024 * 1024


class Server:
    """gunicorn with one worker, listening on a Unix socket."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "web.sock")
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "hitlportal.settings",
            "HITL_PROCESS": "web",
            "HITL_DATABASE_URL": login_url("hitl_web", str(connection.settings_dict["NAME"])),
            "HITL_CACHE_URL": str(settings.CACHES["default"]["LOCATION"]),
        }
        command = [sys.executable, "-m", "gunicorn", "hitlportal.wsgi", "--workers", "1"]
        command += ["--config", "python:hitlportal.gunicorn", "--bind", f"unix:{self.path}"]
        self.log = directory / "web.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def connect(self) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        made.settimeout(30)
        try:
            made.connect(self.path)
        except OSError:
            made.close()
            raise
        return made

    def memory(self) -> int:
        """Return the peak memory of the worker in bytes."""
        pid = self.process.pid
        worker = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()[0]
        status = Path(f"/proc/{worker}/status").read_text(encoding="ascii")
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def send(
        self, method: str, path: str, headers: dict[str, str], pieces: Any
    ) -> tuple[int, dict[str, Any]]:
        """Send raw bytes; the server may answer and close before all are sent."""
        with self.connect() as end:
            head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
            end.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}\r\n".encode())
            try:
                for piece in pieces:
                    end.sendall(piece)
            except (BrokenPipeError, ConnectionResetError):
                pass
            with closing(http.client.HTTPResponse(end)) as response:
                response.begin()
                return response.status, json.loads(response.read())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    try:
        _wait(running, lambda: Path(running.path).exists() and _answers(running))
        yield running
    finally:
        running.process.terminate()
        running.process.wait(timeout=30)


def _answers(server: Server) -> bool:
    try:
        return server.send("GET", "/api/v1/actions", {}, [])[0] == 401
    except OSError:
        return False


def _wait(server: Server, ready: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not ready():
        assert server.process.poll() is None, server.log.read_text(encoding="utf-8")
        assert time.monotonic() < until
        time.sleep(0.05)


def headers_of(scanner: Caller, **more: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {scanner.text}",
        "Content-Type": "application/json",
        "Idempotency-Key": key(),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


def chunks(raw: bytes, size: int = 64 * 1024) -> Iterator[bytes]:
    for start in range(0, len(raw), size):
        piece = raw[start : start + size]
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def test_reports_arrive_with_a_length_and_in_chunks(server: Server, scanner: Caller) -> None:
    raw = json.dumps(report("t1")).encode()
    sent = headers_of(scanner, Content_Length=str(len(raw)))
    status, told = server.send("POST", "/api/v1/reports", sent, [raw])
    assert (status, told["incident_is_new"]) == (201, True)
    sent = headers_of(scanner, Transfer_Encoding="chunked")
    status, told = server.send("POST", "/api/v1/reports", sent, chunks(raw, 7))
    assert (status, told["incident_is_new"]) == (201, False)
    assert m.IncidentReport.objects.count() == 2


def test_a63_floods_are_refused_and_the_memory_stays(server: Server, scanner: Caller) -> None:
    path, before = "/api/v1/reports", server.memory()
    endless = (b"%x\r\n%s\r\n" % (MIB, b"x" * MIB) for _ in range(512))
    sent = headers_of(scanner, Transfer_Encoding="chunked")
    assert told(server.send("POST", path, sent, endless)) == (413, "too_large")
    stated = headers_of(scanner, Content_Length=str(512 * MIB))
    assert told(server.send("POST", path, stated, [])) == (413, "too_large")
    bomb = gzip.compress(b" " * (100 * MIB))
    sent = headers_of(scanner, Content_Encoding="gzip", Content_Length=str(len(bomb)))
    assert told(server.send("POST", path, sent, [bomb])) == (415, "unsupported_media_type")
    # The body, its chunks and the parsed value need a few times the limit.
    worst = b'{"a":[' + b",".join([b'"' + b"\\u00e9" * 200 + b'"'] * 6_500) + b"]}"
    assert 7 * MIB < len(worst) < 8 * MIB
    sent = headers_of(scanner, Content_Length=str(len(worst)))
    assert told(server.send("POST", path, sent, [worst])) == (400, "unknown_field")
    assert server.memory() - before < 64 * MIB
    assert not m.Incident.objects.exists()


def test_a_broken_chunk_is_refused_and_recorded(server: Server, scanner: Caller) -> None:
    sent = headers_of(scanner, Transfer_Encoding="chunked")
    answer = server.send("POST", "/api/v1/reports", sent, [b"zz\r\nnot a size\r\n"])
    assert told(answer) == (400, "body_unreadable")


def test_without_a_length_there_is_no_body(server: Server, scanner: Caller) -> None:
    answer = server.send("POST", "/api/v1/reports", headers_of(scanner), [])
    assert told(answer) == (411, "length_required")


def told(answer: tuple[int, dict[str, Any]]) -> tuple[int, str]:
    status, problem = answer
    assert problem["status"] == status
    return status, problem["type"].removeprefix("/problems/")
