"""A receiver over HTTP that runs tasks as a team's automation does, and the world of its action.

It verifies every message with the library of Standard Webhooks, and keeps what it got.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

from standardwebhooks import Webhook, WebhookVerificationError

from audit.tlog.canonical import Json
from hitlportal.demo.servers.ports import LOOPBACK
from tests.executors.contract import World

OBSERVE = "whsec_" + "b2JzZXJ2ZXItb2YtdGhlLXRlc3RzLTAwMDA="
OPERATE = "whsec_" + "b3BlcmF0b3Itb2YtdGhlLXRlc3RzLTAwMDA="
MAY = {"hitlportal.task.status": OBSERVE, "hitlportal.task.run": OPERATE}


class Automation:
    """Tasks by name and subject; `ends_as` is what a task that is started becomes."""

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], dict[str, str]] = {}
        self.started: list[tuple[str, dict[str, Any]]] = []
        self.refused = 0
        self.ends_as, self.loses_answer, self.said = "done", False, ""
        # What it answers instead, as bytes of HTTP.
        self.raw = b""
        # It sends one byte of an answer at a time, and never the last one.
        self.drips = False

    def add(self, task: str, subject: str) -> None:
        self.runs[task, subject] = {"state": "idle", "last_run": "", "said": ""}

    def take(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        kind = json.loads(body)["type"]
        try:
            Webhook(MAY[kind]).verify(body, headers)
        except (KeyError, WebhookVerificationError):
            self.refused += 1
            return 401, {}
        data = json.loads(body)["data"]
        run = self.runs.get((data["task"], data["subject"]))
        if run is None:
            return 404, {}
        message = headers["webhook-id"]
        if kind == "hitlportal.task.run" and run["last_run"] != message:
            self.started.append((message, data))
            run.update(state=self.ends_as, last_run=message, said=self.said)
        return (202 if kind == "hitlportal.task.run" else 200), dict(run)


@contextmanager
def serving(automation: Automation) -> Iterator[int]:
    """Serve on a free port of the loopback address; yield it."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, answer = automation.take(headers, body)
            while automation.drips:
                try:
                    self.wfile.write(b"x")
                except OSError:
                    return
                time.sleep(0.1)
            if automation.raw:
                self.wfile.write(automation.raw)
                return
            if automation.loses_answer and status == 202:
                self.close_connection = True
                return
            told = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


class WebhookPlace:
    """A receiver that runs."""

    def __init__(self, port: int, automation: Automation) -> None:
        self.port, self.automation = port, automation


class WebhookWorld(World):
    """A task that has not run yet."""

    def __init__(self, action: str, directory: Path, place: WebhookPlace) -> None:
        self.action, self.directory, self.place = action, directory, place
        self.subject = f"host {uuid4().hex[:10]}/ü%2F"
        place.automation.add("isolate-host", self.subject)
        (directory / "operate.webhook").write_text(OPERATE)

    @property
    def target(self) -> dict[str, Json]:
        return {
            "kind": "webhook.task", "receiver": "ops", "task": "isolate-host",
            "subject": self.subject,
        }  # fmt: skip

    @property
    def gone(self) -> dict[str, Json]:
        return {**self.target, "subject": f"{self.subject} gone"}

    def toml(self, port: int | None = None) -> str:
        return (
            f'[webhook.ops]\nurl = "http://{LOOPBACK}:{port or self.place.port}/hook"\n'
            f'tasks = ["isolate-host"]\nobserve_secret = "{OBSERVE}"\n'
            'operate_secret_file = "operate.webhook"\n'
        )

    def look(self) -> object:
        return dict(self.place.automation.runs["isolate-host", self.subject])

    def changes(self) -> int:
        started = self.place.automation.started
        return sum(data["subject"] == self.subject for _, data in started)
