"""Simulate AWS for the demo and the tests: moto's IAM and STS with the keys of a seed file.

    python -m hitlportal.demo.servers.moto_server --port P --seed FILE [--log FILE] [--state FILE]

Real CloudTrail cases carry key ids that moto never generates, so they are set in its backend. moto
checks signature and policy of requests as IAM does; it does not refuse inactive keys, so that is
added here. moto finds the account by the caller's access key, so each account has its own observer
and operator.

Seed: {"accounts": [{"account": "<12 digits>",
    "users": [{"user": "...", "keys": [{"id": "AKIA...", "status": "Active",
               "secret": "... (optional)", "created": "2023-07-10T11:40:00Z (optional)"}]}],
    "observer": {"user": "...", "id": "AKIA...", "secret": "..."},   may only read keys
    "operator": {"user": "...", "id": "AKIA...", "secret": "..."}}]} may only (de)activate them

The log gets one JSON line per call before the caller gets its answer. The state file keeps status
and creation time of each key over a restart; moto itself keeps nothing.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto import settings
from moto.iam.models import AccessKey, IAMBackend, get_account_id_from, iam_backends
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from werkzeug.serving import make_server

PARTITION, REGION = "aws", "us-east-1"  # IAM is global, but moto needs a region
SERVICES = frozenset({"iam", "sts"})  # moto's own /moto-api could switch authentication off
MAX_BODY = 64 * 1024  # the parameters of the calls served here
LOGGED = ("UserName", "AccessKeyId", "Status")  # no other parameter: the log must hold no secret
READS = ["iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"]
CHANGES = ["iam:UpdateAccessKey"]
ENDING = (signal.SIGTERM, signal.SIGINT)
CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d+/[^/]+/([^/]+)/aws4_request")
REFUSAL = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
    "<Message>The security token included in the request is invalid.</Message></Error>"
    "</ErrorResponse>"
)

Environ = dict[str, Any]
StartResponse = Callable[..., Any]


@dataclass(frozen=True)
class Call:
    """The parts of a request that the simulator needs."""

    key: str
    service: str
    action: str
    parameters: dict[str, str]


def seed(accounts: Iterable[dict[str, Any]], kept: dict[str, dict[str, str]]) -> None:
    """Put users and keys into moto's backends; `kept` (the state file) overrides the seed."""
    seen: set[str] = set()
    for account in accounts:
        backend = iam_backends[account["account"]][PARTITION]
        for user in account.get("users", []):
            _add_user(backend, user["user"], user["keys"], [], kept, seen)
        for login, actions in (("observer", READS), ("operator", CHANGES)):
            entry = account[login]
            _add_user(backend, entry["user"], [entry], actions, kept, seen)


def _add_user(
    backend: IAMBackend,
    name: str,
    keys: list[dict[str, str]],
    actions: list[str],
    kept: dict[str, dict[str, str]],
    seen: set[str],
) -> None:
    user = backend.create_user(REGION, name)
    if actions:
        statement = [{"Effect": "Allow", "Action": actions, "Resource": "*"}]
        policy = {"Version": "2012-10-17", "Statement": statement}
        backend.put_user_policy(name, "hitlportal", json.dumps(policy))
    for entry in keys:
        if entry["id"] in seen:  # moto could not find the caller's account
            raise SystemExit(f"seed: key {entry['id']} occurs twice")
        seen.add(entry["id"])
        key = user.create_access_key("AKIA")
        key.access_key_id = entry["id"]
        key.secret_access_key = entry.get("secret", key.secret_access_key)
        known = entry | kept.get(entry["id"], {})
        key.status = known.get("status", "Active")
        if "created" in known:
            key.create_date = datetime.fromisoformat(known["created"]).replace(tzinfo=None)
        backend.access_keys[entry["id"]] = key


def all_keys() -> Iterator[AccessKey]:
    """Yield every key of every account."""
    for account in list(iam_backends.values()):
        for user in list(account[PARTITION].users.values()):
            yield from user.access_keys


class Simulator:
    """A WSGI layer around moto that refuses inactive keys and writes the target's own log."""

    def __init__(self, log: Path | None, state: Path | None) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._log, self._state = log, state
        self._lock = (
            threading.Lock()
        )  # moto's backends are plain dicts, and the log must keep the order of calls
        self._keep()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), MAX_BODY))
        environ["wsgi.input"] = io.BytesIO(body)
        call = _understand(environ, body)
        with self._lock:
            status, headers, answer = self._answer(call, environ)
            self._record(call, status)
            self._keep()
        start_response(status, headers)
        return [answer]

    def _answer(self, call: Call, environ: Environ) -> tuple[str, list[tuple[str, str]], bytes]:
        inactive = {key.access_key_id for key in all_keys() if key.status != "Active"}
        if call.service not in SERVICES or call.key in inactive:
            return "403 Forbidden", [("Content-Type", "text/xml")], REFUSAL.encode()
        got: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            got.append((status, headers))

        try:
            answer = b"".join(self._moto(environ, start_response))
        except Exception as error:  # a call that makes moto fail is logged, too
            return "500 Internal Server Error", [], repr(error).encode()
        return *got[0], answer

    def _record(self, call: Call, status: str) -> None:
        if self._log is None:
            return
        known = {key.access_key_id for key in all_keys()}
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "account": get_account_id_from(call.key) if call.key in known else "",
            "key": call.key,
            "call": f"{call.service}:{call.action}",
            "parameters": call.parameters,
            "status": int(status.split(maxsplit=1)[0]),
            "simulated": True,
        }
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _keep(self) -> None:
        if self._state is None:
            return
        keys = {
            key.access_key_id: {"status": key.status, "created": f"{key.create_date.isoformat()}Z"}
            for key in all_keys()
        }
        draft = self._state.with_suffix(".new")
        draft.write_text(json.dumps(keys, indent=1), encoding="utf-8")
        draft.replace(self._state)


def _understand(environ: Environ, body: bytes) -> Call:
    found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, service = found.groups() if found else ("", "")
    fields = parse_qs(body.decode("utf-8", "replace"))
    parameters = {name: fields[name][0] for name in LOGGED if name in fields}
    return Call(key, service, fields.get("Action", [""])[0], parameters)


def serve(port: int, application: Simulator) -> None:
    """Listen on the loopback address until SIGTERM or Ctrl-C."""
    server = make_server(
        "127.0.0.1", port, application, threaded=True, request_handler=MotoRequestHandler
    )
    # Blocked here and awaited below, so that no handler interrupts a request.
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    print(f"simulated AWS (moto), no real account: http://127.0.0.1:{server.port}", flush=True)
    signal.sigwait(ENDING)
    server.shutdown()
    thread.join()
    server.server_close()


def main(argv: list[str] | None = None) -> None:
    """Read the arguments, seed and serve."""
    parser = argparse.ArgumentParser(description="simulated AWS (moto) with seeded access keys")
    parser.add_argument("--port", type=int, required=True, help="0: a free one, see the banner")
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--state", type=Path)
    arguments = parser.parse_args(argv)
    os.environ.pop("MOTO_ACCOUNT_ID", None)  # it would put every caller into one account
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # authenticate from the first call on
    again = arguments.state is not None and arguments.state.exists()
    kept = json.loads(arguments.state.read_text(encoding="utf-8")) if again else {}
    seed(json.loads(arguments.seed.read_text(encoding="utf-8"))["accounts"], kept)
    serve(arguments.port, Simulator(arguments.log, arguments.state))


if __name__ == "__main__":
    main()
