"""Simulate the part of Okta's API that the worker uses, for tests: no Okta can run here.

It keeps users with their sessions, tokens and roles, service apps, and the system log in memory.
Apps sign in as at Okta: by a JWT that their private key signed, for the scopes that they were
granted. What the worker sends and what it gets is checked against Okta's description of its API in
tests/executors/. It never claims to be Okta: its section of the targets file has
`simulated = true`, and pages say so.

`Api.requests` has each request with who made it and the answer; `Api.log` is the system log.
"""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from hitlportal.demo.servers.okta_api import Answer, Api, Request
from hitlportal.demo.servers.ports import LOOPBACK

MAX_BODY = 64 * 1024
LIMIT = 600


class OktaServer:
    """The simulated API in threads of this process."""

    def __init__(self, port: int = 0) -> None:
        self.api = Api()
        self._server = ThreadingHTTPServer((LOOPBACK, port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        self.api.audience = f"{self.url}/oauth2/v1/token"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(_Handler):
            at = server

        return Handler


class _Handler(BaseHTTPRequestHandler):
    at: OktaServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    # Else each answer waits 40 ms for the client's acknowledgement of its head.
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
        path, _, query = self.path.partition("?")
        scheme, _, bearer = str(self.headers.get("Authorization", "")).partition(" ")
        request = Request(
            self.command,
            unquote(path),
            dict(parse_qsl(query)),
            bearer if scheme == "Bearer" else "",
            dict(parse_qsl(body.decode())),
        )
        answer = self.at.api.answer(request)
        if self.at.api.loses(request):
            self.close_connection = True
            return
        self._send(answer)

    do_GET = do_POST = do_DELETE = _handle

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in (self._headers(body) | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _headers(self, body: bytes) -> dict[str, str]:
        found: dict[str, str] = {
            "X-Rate-Limit-Limit": str(LIMIT),
            "X-Rate-Limit-Remaining": str(LIMIT - 1),
            "X-Rate-Limit-Reset": str(int(time.time()) + 60),
        }
        return found | ({"Content-Type": "application/json"} if body else {})

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: `Api.requests` has the log."""
