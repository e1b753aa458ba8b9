"""Simulate the part of Entra and Microsoft Graph that the worker uses, for tests.

No Entra can run here. It keeps applications with their secrets, and service principals, in memory.
Apps sign in as at Entra: by a JWT that their private key signed, with their certificate's
fingerprint. What the worker sends and what it gets is checked against Microsoft's description of
Graph in tests/executors/. It never claims to be Entra: its section of the targets file has
`simulated = true`, and pages say so.

`Api.requests` has each request with who made it and the answer; `Api.audit` is the audit log.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote

from hitlportal.demo.servers.entra_api import Answer, Api, Request
from hitlportal.demo.servers.ports import LOOPBACK

MAX_BODY = 64 * 1024


class EntraServer:
    """The simulated API in threads of this process."""

    def __init__(self, port: int = 0) -> None:
        self.api = Api()
        self._server = ThreadingHTTPServer((LOOPBACK, port), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        self.api.url = self.url

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
    at: EntraServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    # Else each answer waits 40 ms for the client's acknowledgement of its head.
    disable_nagle_algorithm = True

    @property
    def _is_json(self) -> bool:
        return str(self.headers.get("Content-Type", "")).startswith("application/json")

    def _handle(self) -> None:
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY))
        path, _, query = self.path.partition("?")
        scheme, _, bearer = str(self.headers.get("Authorization", "")).partition(" ")
        request = Request(
            self.command,
            unquote(path),
            dict(parse_qsl(query)),
            bearer if scheme == "Bearer" else "",
            {} if self._is_json else dict(parse_qsl(body.decode())),
            json.loads(body) if body and self._is_json else None,
        )
        answer = self.at.api.answer(request)
        if self.at.api.loses(request):
            self.close_connection = True
            return
        self._send(answer)

    do_GET = do_POST = do_PATCH = _handle

    def _send(self, answer: Answer) -> None:
        body = b"" if answer.body is None else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in (self._headers(body) | answer.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _headers(self, body: bytes) -> dict[str, str]:
        return {"Content-Type": "application/json"} if body else {}

    def log_message(self, format: str, *args: Any) -> None:
        """Write nothing: `Api.requests` has the log."""
