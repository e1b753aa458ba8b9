"""A real PgBouncer before a target cluster, with its own file of verifiers or with `auth_query`."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from hitlportal.demo.servers.ports import LOOPBACK
from hitlportal.demo.servers.server import Server
from tests.needs import pgbouncer

CONFIGURATION = """\
[databases]
{databases}

[pgbouncer]
listen_addr = {address}
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {directory}/userlist.txt
auth_query = SELECT usename, passwd FROM pg_catalog.pg_shadow WHERE usename = $1
server_login_retry = 1
{more}
"""


class PgBouncer(Server):
    """One pooler. `databases`: its databases, each with what PgBouncer is to do for it.

    `certificate`: a file with a key and a certificate; clients then have to use TLS.
    """

    title = "PgBouncer"
    not_yet = OSError

    def __init__(self, home: Path, databases: Mapping[str, str], certificate: str = "") -> None:
        super().__init__(home, None)
        self._certificate = certificate
        self._binary, self._databases = pgbouncer(), databases
        # Its own file: a verifier or a password by role; read at each start.
        self.users: dict[str, str] = {}

    def _write(self, path: Path, text: str) -> Path:
        path.touch(mode=0o600)
        path.write_text(text)
        self.account.own(path, 0o600)
        return path

    def _prepare(self, home: Path) -> None:
        lines = "".join(f'"{name}" "{held}"\n' for name, held in self.users.items())
        self._write(home / "userlist.txt", lines)

    def _argv(self, home: Path) -> Sequence[str | Path]:
        more = ""
        if self._certificate:
            both = self._write(home / "server.pem", self._certificate)
            more = f"client_tls_sslmode = require\nclient_tls_key_file = {both}\n"
            more += f"client_tls_cert_file = {both}"
        text = CONFIGURATION.format(
            databases="\n".join(f"{name} = {how}" for name, how in self._databases.items()),
            address=LOOPBACK,
            port=self.port,
            directory=home,
            more=more,
        )
        return [self._binary, self._write(home / "pgbouncer.ini", text)]

    def _probe(self) -> None:
        socket.create_connection((LOOPBACK, self.port), timeout=5).close()
