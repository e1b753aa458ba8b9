"""A service that signs in to OpenBao, as a process of its own, and asks all the time.

`python -m tests.executors.openbao_client URL ROLE_ID DIRECTORY DATABASE_ROLE DSN RECORD` (see
asking.py) signs in with the secret id in DIRECTORY/current, takes a database credential with its
token, and holds a pool of sessions. Each request is one query of the pool, one new sign-in to the
database, and one call with the token. It moves to another secret id when DIRECTORY changes, and
takes another database credential when its input says "renew": what is new first, the old after.
"""

from __future__ import annotations

import json
import select
import sys
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psycopg

POOL = 2
PAUSE = 0.02


class Api:
    """The calls that it makes."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ask(self, path: str, token: str = "", body: object = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self._url}/v1/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-Vault-Token": token} if token else {},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found

    def end(self, token: str) -> None:
        request = urllib.request.Request(
            f"{self._url}/v1/auth/token/revoke-self",
            data=b"",
            headers={"X-Vault-Token": token},
        )
        urllib.request.urlopen(request, timeout=60).close()


@dataclass
class Access:
    """A token and a database credential, with the sessions that were begun with it."""

    version: str
    token: str
    lease: str
    dsn: str
    pool: list[psycopg.Connection[Any]]

    def close(self) -> None:
        for one in self.pool:
            one.close()


class Service:
    def __init__(self, given: list[str], record: TextIO) -> None:
        url, self._role_id, directory, self._database, self._dsn = given
        self._api, self._directory, self._record = Api(url), Path(directory), record
        self._access = self._sign_in()

    def _current(self) -> Path:
        return (self._directory / "current").resolve()

    def _sign_in(self) -> Access:
        current = self._current()
        secret_id = (current / "secret_id").read_text()
        body = {"role_id": self._role_id, "secret_id": secret_id}
        token = self._api.ask("auth/approle/login", body=body)["auth"]["client_token"]
        return self._with_database(current.name, token)

    def _with_database(self, version: str, token: str) -> Access:
        made = self._api.ask(f"database/creds/{self._database}", token)
        login = made["data"]
        dsn = f"{self._dsn} user={login['username']} password={login['password']}"
        pool = [psycopg.connect(dsn, autocommit=True) for _ in range(POOL)]
        return Access(version, token, made["lease_id"], dsn, pool)

    def _replace(self, make: Callable[[], Access]) -> None:
        old, self._access = self._access, make()
        old.close()

    def round(self, words: str) -> None:
        if "renew" in words:
            self._replace(lambda: self._with_database(self._access.version, self._access.token))
        if self._current().name != self._access.version:
            self._replace(self._sign_in)
        for how, call in (("pool", self._query), ("sign_in", self._begin), ("token", self._call)):
            line = {"how": how, "version": self._access.version, "lease": self._access.lease}
            try:
                call()
                line["error"] = ""
            except (psycopg.Error, OSError) as error:
                line["error"] = str(error)
            self._record.write(json.dumps(line) + "\n")
            self._record.flush()

    def end(self) -> None:
        """Leave no token behind: each look of the portal reads every one."""
        self._access.close()
        self._api.end(self._access.token)

    def _query(self) -> None:
        for one in self._access.pool:
            one.execute("SELECT 1")

    def _begin(self) -> None:
        psycopg.connect(self._access.dsn).close()

    def _call(self) -> None:
        self._api.ask("auth/token/lookup-self", self._access.token)


def main() -> None:
    *given, record = sys.argv[1:]
    with Path(record).open("a") as file:
        service, words = Service(given, file), ""
        while True:
            if select.select([sys.stdin], [], [], PAUSE)[0]:
                words = sys.stdin.readline()
                if not words:
                    break
            service.round(words)
            words = ""
        service.end()


if __name__ == "__main__":
    main()
