"""Simulate a Kubernetes API server for the demo and the tests, since none can run here.

    python -m hitlportal.demo.servers.kube --port P --seed FILE [--log FILE]

It keeps namespaces, pods, deployments, replica sets, stateful sets, services, ingresses, network
policies, autoscalers, service accounts, secrets, roles and their bindings in memory, with the API
server's rules for versions, patches, selectors, tokens and rights (RBAC). Its controllers give
workloads their pods and deployments their revisions, at once, and clean no replica set up. No
traffic flows, so no network policy is enforced, and nothing is kept over a restart. Requests and
answers are checked against the API's description in tests/executors/test_kubernetes.py. It never
claims to be a cluster: its section of the targets file has `simulated = true`, and pages say so.

Seed (JSON): {"objects": [...], "tokens": {"<token>": {"namespace": "...", "name": "..."}}}
A token is that of a service account; {"admin": true} may do everything.

The log gets one JSON line for each request: who, what, and the answer's status; no body.
"""

from __future__ import annotations

import argparse
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hitlportal.demo.servers.kube_api import MAX_BODY, Answer, Api, read
from hitlportal.demo.servers.kube_cluster import Cluster, Refusal, now
from hitlportal.demo.servers.kube_rights import MASTERS, Caller
from hitlportal.demo.servers.ports import LOOPBACK

ADMIN = Caller("simulated-admin", (MASTERS, "system:authenticated"))


class KubeServer:
    """A simulated API server in threads of this process."""

    def __init__(
        self, port: int = 0, *, tls: tuple[Path, Path] | None = None, log: Path | None = None
    ) -> None:
        """`tls`: the files of a certificate and its key; without them it speaks plain HTTP."""
        self.api, self._log = Api(Cluster()), log
        self._server = ThreadingHTTPServer((LOOPBACK, port), self._handler())
        self._server.daemon_threads = True
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls is not None else "http"
        self.url = f"{scheme}://{LOOPBACK}:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def serve(self) -> None:
        """Serve until the process ends."""
        self._server.serve_forever()

    def seed(self, told: dict[str, Any]) -> None:
        """Make the objects and tokens of a seed."""
        self.api.add(*told.get("objects", ()))
        for token, who in told.get("tokens", {}).items():
            account = who.get("namespace", ""), who.get("name", "")
            self.api.tokens[token] = ADMIN if who.get("admin") else Caller.service_account(*account)

    def note(self, method: str, path: str, who: str, status: int) -> None:
        """Write a line of the log, before the answer goes out."""
        if self._log is not None:
            line = {"at": now(), "who": who, "method": method, "path": path, "status": status}
            with self._log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(_Handler):
            at = server

        return Handler


class _Handler(BaseHTTPRequestHandler):
    at: KubeServer
    protocol_version = "HTTP/1.1"
    timeout = 30
    # Else each answer waits 40 ms for the client's acknowledgement of its head.
    disable_nagle_algorithm = True

    def _handle(self) -> None:
        length = min(int(self.headers.get("Content-Length") or 0), MAX_BODY)
        body = self.rfile.read(length)
        who = ""
        try:
            request = read(self.command, self.path, self.headers, body)
            answer = self.at.api.answer(request)
            caller = self.at.api.tokens.get(request.token)
            who = caller.name if caller else ""
        except Refusal as refusal:
            answer = Answer(refusal.code, {"kind": "Status", "apiVersion": "v1", "metadata": {}})
        self.at.note(self.command, self.path, who, answer.status)
        self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

    def _send(self, answer: Answer) -> None:
        text = isinstance(answer.body, str)
        body = str(answer.body).encode() if text else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", "text/plain" if text else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing: `KubeServer.note` has the log."""


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate a Kubernetes API server.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--log", type=Path)
    told = parser.parse_args()
    server = KubeServer(told.port, log=told.log)
    server.seed(json.loads(told.seed.read_text(encoding="utf-8")))
    server.serve()


if __name__ == "__main__":
    main()
