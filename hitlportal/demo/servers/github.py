"""Simulate the part of GitHub's REST API that the worker uses, for tests: no GitHub can run here.

It keeps organisations, repositories with deploy keys, Apps with their installations, and grants to
fine-grained tokens in memory. Apps sign in as at GitHub: by a token (JWT) that their private key
signed, and by tokens of an installation with the rights that were asked for. What the worker sends
and what it gets is checked against GitHub's description of its API in tests/executors/. It never
claims to be GitHub: its section of the targets file has `simulated = true`, and pages say so.

`Api.requests` has each request with who made it and the answer; `Organisation.audit` is the audit
log, with the names that GitHub gives to these events.
"""

from __future__ import annotations

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from hitlportal.demo.servers.github_api import Answer, Api, Request
from hitlportal.demo.servers.ports import LOOPBACK

MAX_BODY = 64 * 1024
LIMIT = 5000


class GithubServer:
    """The simulated API in threads of this process."""

    def __init__(self, port: int = 0) -> None:
        self.api = Api()
        self._server = ThreadingHTTPServer((LOOPBACK, port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"

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
    at: GithubServer
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
            json.loads(body) if body else None,
        )
        answer = self.at.api.answer(request)
        if self.at.api.loses(request):
            self.close_connection = True
            return
        self._send(answer)

    do_GET = do_POST = do_PUT = do_DELETE = _handle

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in (self._headers(body) | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _headers(self, body: bytes) -> dict[str, str]:
        left = max(0, LIMIT - len(self.at.api.requests))
        found: dict[str, str] = {
            "X-RateLimit-Limit": str(LIMIT),
            "X-RateLimit-Remaining": str(left or LIMIT),
            "X-GitHub-Api-Version-Selected": "2022-11-28",
        }
        if body:
            found |= {
                "Content-Type": "application/json; charset=utf-8",
                "ETag": f'"{hashlib.sha256(body).hexdigest()}"',
            }
        return found

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: `Api.requests` has the log."""
