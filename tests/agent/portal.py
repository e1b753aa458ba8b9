"""A stand-in for the portal: gives prepared answers and records the requests.

The flows test the client with the real portal; here are answers that the real one
gives only in trouble.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

# Status, headers, body.
Reply = tuple[int, dict[str, str], Any]


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Portal:
    """``answers`` are given in order: (status, headers, body); None drops the connection."""

    url: str
    answers: list[Reply | None]
    asked: list[Asked] = field(default_factory=list)


@contextmanager
def portal(*answers: Reply | None) -> Iterator[Portal]:
    """Run a server on a loopback port that gives these answers."""
    told = Portal("", list(answers))

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            headers = {name.lower(): text for name, text in self.headers.items()}
            told.asked.append(Asked(self.command, self.path, headers, body))
            answer = told.answers.pop(0)
            if answer is None:
                self.close_connection = True
                return
            status, extra, content = answer
            raw = b"" if content is None else json.dumps(content).encode()
            self.send_response(status)
            for name, text in {"Content-Length": str(len(raw)), **extra}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = handle_any

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
