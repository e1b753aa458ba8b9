"""Simulate AWS for the demo and the tests: moto's IAM and STS with the keys of a seed file.

moto's Secrets Manager, CloudTrail, S3 and EC2 answer, too. EC2 runs no machine and cuts no traffic.

    python -m hitlportal.demo.servers.moto_server --port P --seed FILE [--log FILE] [--state FILE]
        [--resolution SECONDS]

Real CloudTrail cases carry key ids that moto never generates, so they are set in its backend. moto
checks signature and policy of requests as IAM does; it does not refuse inactive keys, so that is
added here. moto finds the account by the caller's access key, so each account has its own observer
and operator. Added, too: keys that AWS refuses while they are fresh, the resolution of a key's last
use (AWS records the first use in 15 minutes), and CloudTrail's LookupEvents (moto_trail.py).

What it does not do: moto ignores the session policy of AssumeRole, and does not compare resources.
A session can do here what its role can.

Seed: {"accounts": [{"account": "<12 digits>",
    "users": [{"user": "...", "tags": {"...": "..."}, "may": ["s3:..."], "refuses_fresh_s": 8,
               "keys": [{"id": "AKIA...", "status": "Active", "secret": "... (optional)",
               "created": "2023-07-10T11:40:00Z", "last_used": "..." (both optional)}]}],
    "observer": {"user": "...", "id": "AKIA...", "secret": "..."},   may only read
    "operator": {"user": "...", "id": "AKIA...", "secret": "..."},   may change keys and policies
    "assumer": {...},    optional: may only assume the role hitl-operator, which may change those
    "admin": {...},      optional: may do everything
    "buckets": ["..."]}]}    optional: buckets, such as those of trails

The log gets one JSON line per call before the caller gets its answer. The state file keeps the keys
over a restart, with the secrets of those that were made here; moto itself keeps nothing.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from moto import settings
from moto.iam.models import AccessKey, get_account_id_from
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)
from moto.secretsmanager.models import FakeSecret, secretsmanager_backends
from moto.sts.models import sts_backends
from werkzeug.serving import make_server

from hitlportal.demo.servers import moto_s3, moto_seed, moto_trail
from hitlportal.demo.servers.moto_trail import Call, Trail

# moto's own /moto-api could switch authentication off
SERVICES = frozenset({"iam", "sts", "cloudtrail", "secretsmanager", "s3", "ec2"})
MAX_BODY = 64 * 1024  # the parameters of the calls served here
# No other parameter: the log must hold no secret.
LOGGED = (
    *("UserName", "AccessKeyId", "Status", "RoleArn", "RoleSessionName", "Policy"),
    *("RoleName", "PolicyName", "PolicyDocument"),
    *("InstanceId", "NetworkInterfaceId", "AssociationId", "IamInstanceProfile.Arn"),
)
# Members of a list are numbered; a call that sets several groups shows each of them.
LOGGED_MEMBER = re.compile(r"(?:InstanceId|SecurityGroupId)\.[0-9]{1,3}")
# The changes of a trail, and the parameter that names it.
TRAIL_NAMED = {"StartLogging": "Name", "PutEventSelectors": "TrailName"}
ENDING = (signal.SIGTERM, signal.SIGINT)
CREDENTIAL = re.compile(r"Credential=([^/,]+)/\d+/[^/]+/([^/]+)/aws4_request")
REFUSAL = (
    "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>"
    "<Message>The security token included in the request is invalid.</Message></Error>"
    "</ErrorResponse>"
)

XML = [("Content-Type", "text/xml")]

Environ = dict[str, Any]
Answer = tuple[str, list[tuple[str, str]], bytes]
StartResponse = Callable[..., Any]


def follow_labels() -> None:
    """Let a plain read return the version with AWSCURRENT: moto forgets it when the label moves."""
    for account in list(secretsmanager_backends.values()):
        for backend in list(account.values()):
            secrets = [one for one in backend.secrets.values() if isinstance(one, FakeSecret)]
            for secret in secrets:
                for version, held in secret.versions.items():
                    if "AWSCURRENT" in held["version_stages"]:
                        secret.default_version_id = version


class Simulator:
    """A WSGI layer around moto that refuses inactive keys and writes the target's own log."""

    def __init__(
        self,
        log: Path | None,
        state: Path | None,
        *,
        seeded: Iterable[str] = (),
        resolution_s: float = 0,
        refuses_fresh_s: dict[str, float] | None = None,
    ) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._log, self._state, self._seeded = log, state, frozenset(seeded)
        self._resolution_s, self._refuses = resolution_s, refuses_fresh_s or {}
        self._trail = Trail()
        self._lock = (
            threading.Lock()
        )  # moto's backends are plain dicts, and the log must keep the order of calls
        self._keep()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), MAX_BODY))
        environ["wsgi.input"] = io.BytesIO(body)
        call = _understand(environ, body)
        with self._lock:
            status, headers, answer = self._answer(call, environ, body)
            follow_labels()
            self._record(call, status)
            self._keep()
        start_response(status, headers)
        return [answer]

    def _answer(self, call: Call, environ: Environ, body: bytes) -> Answer:
        key = next((key for _, key in moto_seed.all_keys() if key.access_key_id == call.key), None)
        if call.service not in SERVICES or (key is not None and not self._takes(key)):
            return "403 Forbidden", XML, REFUSAL.encode()
        if call.service == "s3" and moto_s3.is_foreign(environ, call.parameters["Bucket"]):
            return "403 Forbidden", XML, moto_s3.FOREIGN.encode()
        before = key.last_used if key is not None else None
        answer = self._ask(environ)
        if key is not None and before is not None and key.last_used is not None:
            passed = (key.last_used.timestamp - before.timestamp).total_seconds()
            if passed < self._resolution_s:  # AWS shows the first use of the span
                key.last_used = before
        if call.action == "LookupEvents" and "NotImplementedError" in answer[2].decode():
            # moto has checked signature and rights before it found that it has no such call.
            return "200 OK", moto_trail.HEADERS, self._trail.answer(body, _account_of(call.key))
        return answer

    def _takes(self, key: AccessKey) -> bool:
        """Return whether AWS takes the key: it is Active, and every part of AWS knows it."""
        age = datetime.now(UTC).replace(tzinfo=None) - key.create_date
        fresh = age.total_seconds() < self._refuses.get(str(key.user_name), 0)
        return key.status == "Active" and not fresh

    def _ask(self, environ: Environ) -> Answer:
        got: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> None:
            got.append((status, headers))

        try:
            answer = b"".join(self._moto(environ, start_response))
        except Exception as error:  # a call that makes moto fail is logged, too
            return "500 Internal Server Error", [], repr(error).encode()
        return *got[0], answer

    def _record(self, call: Call, status: str) -> None:
        code, account = int(status.split(maxsplit=1)[0]), _account_of(call.key)
        self._trail.note(call, account, code)
        if self._log is None:
            return
        line = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "account": account,
            "key": call.key,
            "call": f"{call.service}:{call.action}",
            "parameters": call.parameters,
            "status": code,
            "simulated": True,
        }
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def _keep(self) -> None:
        if self._state is None:
            return
        draft = self._state.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(moto_seed.state(self._seeded), indent=1), encoding="utf-8")
        draft.replace(self._state)


def _account_of(key: str) -> str:
    """Return the account of a user's key or of a session of a role; "" for an unknown one."""
    if any(key == each.access_key_id for _, each in moto_seed.all_keys()):
        return get_account_id_from(key)
    for number, account in list(sts_backends.items()):
        for region in list(account.values()):
            if any(key == role.access_key_id for role in region.assumed_roles):
                return number
    return ""


def _understand(environ: Environ, body: bytes) -> Call:
    found = CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    key, service = found.groups() if found else ("", "")
    # The JSON services name the action in a header; of their parameters only a trail is logged.
    action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    parameters: dict[str, str] = {}
    if service == "s3":
        action, parameters = moto_s3.call_of(environ)
    elif not action:
        fields = parse_qs(body.decode("utf-8", "replace"))
        action = fields.get("Action", [""])[0]
        parameters = _logged(fields)
    elif service == "cloudtrail" and action in TRAIL_NAMED:
        parameters = {"Name": str(json.loads(body or b"{}").get(TRAIL_NAMED[action]))}
    address, agent = environ.get("REMOTE_ADDR", ""), environ.get("HTTP_USER_AGENT", "")
    return Call(key, service, action, parameters, address, agent)


def _logged(fields: dict[str, list[str]]) -> dict[str, str]:
    """Return the parameters that the log may hold."""
    members = sorted(filter(LOGGED_MEMBER.fullmatch, fields))
    return {name: fields[name][0] for name in (*LOGGED, *members) if name in fields}


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
    parser.add_argument("--resolution", type=float, default=0, help="of a key's last use; AWS: 900")
    arguments = parser.parse_args(argv)
    os.environ.pop("MOTO_ACCOUNT_ID", None)  # it would put every caller into one account
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0  # authenticate from the first call on
    moto_s3.name_rights()
    again = arguments.state is not None and arguments.state.exists()
    kept = json.loads(arguments.state.read_text(encoding="utf-8")) if again else None
    accounts = json.loads(arguments.seed.read_text(encoding="utf-8"))["accounts"]
    moto_seed.seed(accounts, kept)
    simulator = Simulator(
        arguments.log,
        arguments.state,
        seeded=moto_seed.ids(accounts),
        resolution_s=arguments.resolution,
        refuses_fresh_s={
            user["user"]: user["refuses_fresh_s"]
            for account in accounts
            for user in account.get("users", [])
            if "refuses_fresh_s" in user
        },
    )
    serve(arguments.port, simulator)


if __name__ == "__main__":
    main()
