"""Real servers that notifications are sent to: SMTP and HTTP, on this machine."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Smtp(socketserver.ThreadingTCPServer):
    """Take mails, except for addresses in ``refused``; while ``hangs`` is set say nothing."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _SmtpSession)
        self.taken: list[tuple[str, str]] = []
        self.refused: set[str] = set()
        self.hangs = False
        self.let_go = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def told(self) -> list[str]:
        return [to for to, _ in self.taken]


class _SmtpSession(socketserver.StreamRequestHandler):
    server: Smtp

    def handle(self) -> None:
        if self.server.hangs:
            self.server.let_go.wait(30)
            return
        self._say("220 here")
        to: list[str] = []
        while line := self.rfile.readline().decode("ascii", "replace").strip():
            word = line.split(":")[0].upper().split(" ")[0]
            if word == "RCPT":
                address = line[line.index("<") + 1 : line.index(">")]
                if address in self.server.refused:
                    self._say("550 no such mailbox")
                    continue
                to.append(address)
                self._say("250 ok")
            elif word == "DATA":
                self._say("354 go on")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.server.taken += [(one, text.decode()) for one in to]
                self._say("250 taken")
            elif word == "QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 ok")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


class Hook(ThreadingHTTPServer):
    """Take JSON; answer with ``answers`` one after the other, then 200. 0 means: never answer."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _HookRequest)
        self.taken: list[Any] = []
        self.answers: list[int] = []
        self.asked = 0
        self.location = ""
        self.let_go = threading.Event()

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.server_address[1]}/hook"


class _HookRequest(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        answer = self.server.answers.pop(0) if self.server.answers else 200
        if answer == 0:
            self.server.let_go.wait(30)
            return
        if answer == 200:
            self.server.taken.append(json.loads(body))
        self.send_response(answer)
        if self.server.location:
            self.send_header("Location", self.server.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def running(server: Any) -> Iterator[Any]:
    """Serve in a thread."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.let_go.set()
        server.shutdown()
        server.server_close()
        thread.join(5)
