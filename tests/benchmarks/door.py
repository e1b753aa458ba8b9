"""HTTP clients of the agent and of people, each over one kept connection."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPConnection
from importlib import import_module
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from audit.tlog.canonical import encode
from hitlportal.demo.servers.ports import LOOPBACK
from remediation.domain import b64url
from remediation.domain.approval_conditions import Conditions
from remediation.models import Proposal
from remediation.services.access import authorize
from remediation.services.access.slots import open_slots_for
from remediation.services.review import statement
from tests.benchmarks.cast import Person

YES = {"diagnosis": "yes", "scope": "yes", "action": "yes"}
# Shorter than a server keeps an idle connection (house.WEB).
IDLE_S = 20.0
CSRF = "b" * 32  # any value: cookie and header must agree


class Refused(Exception):
    """The portal answered otherwise than the benchmark needs."""


@dataclass(frozen=True)
class Started:
    """A review that lacks only its signature: all that the last POST sends."""

    proposal: str
    body: bytes


class Door:
    """One open connection of one caller."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._connection = HTTPConnection(LOOPBACK, port, timeout=30)
        self._headers = {"Host": "localhost", "Content-Type": "application/json", **headers}
        self._used = time.monotonic()

    def post(self, path: str, body: bytes, **headers: str) -> Any:
        """Return the answer's JSON. Raises Refused unless the status is 200 or 201."""
        if time.monotonic() - self._used > IDLE_S:
            self._connection.close()  # the next request opens it again
        self._connection.request("POST", path, body, {**self._headers, **headers})
        answer = self._connection.getresponse()
        said = answer.read()
        self._used = time.monotonic()
        if answer.status not in (200, 201):
            raise Refused(f"POST {path}: {answer.status} {said[:500].decode(errors='replace')}")
        return json.loads(said)

    def timed(self, path: str, body: bytes, **headers: str) -> tuple[float, Any]:
        began = time.perf_counter()
        said = self.post(path, body, **headers)
        return time.perf_counter() - began, said

    def close(self) -> None:
        self._connection.close()


def agent(port: int, token: str) -> Door:
    return Door(port, {"Authorization": f"Bearer {token}"})


def person(port: int, someone: Person) -> Door:
    """Return a client with a session as after sign-in by password and passkey."""
    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(someone.user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = someone.user.get_session_auth_hash()
    store["account_authentication_methods"] = [
        {"method": "password", "at": time.time()},
        {"method": "mfa", "type": "webauthn", "id": 1, "at": time.time()},
    ]
    store["account_authentication_methods_user"] = str(someone.user.pk)
    store.save()
    cookies = {
        settings.SESSION_COOKIE_NAME: store.session_key,
        settings.CSRF_COOKIE_NAME: CSRF,
    }
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return Door(port, {"Cookie": cookie, "X-CSRFToken": CSRF})


def start(door: Door, someone: Person, proposal: str) -> Started:
    """Start a review and let the passkey sign; do not submit it yet."""
    looked = conditions(proposal)
    asked: dict[str, Any] = {
        "opened": list(looked.artefacts),
        "typed": list(looked.names),
        "decision": "approve",
        "verdicts": YES,
        "reason": {"code": "", "text": ""},
        "slot": slot_of(someone, Proposal.objects.get(pk=proposal)),
        "round": 1,
    }
    said = door.post(f"/proposals/{proposal}/review/start", encode(asked))
    body = {"session": said["session"], "assertion": answer(someone, said["options"])}
    return Started(proposal, json.dumps(body).encode())


def slot_of(someone: Person, proposal: Proposal) -> str:
    """Return the open slot that the person can fill, else the role: it is refused by name."""
    return next(iter(open_slots_for(someone.user, proposal)), someone.role)


def conditions(proposal: str) -> Conditions:
    """Return what the page requires before an approval: artefacts opened, names typed."""
    row = Proposal.objects.select_related("diagnosis").get(pk=proposal)
    assessment = authorize.newest(row)
    return statement.conditions(row, assessment) if assessment else Conditions()


def answer(someone: Person, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the passkey's answer to navigator.credentials.get()."""
    challenge = b64url.decode(options["challenge"])
    return someone.passkey.authentication(challenge, settings.RP_ID, settings.ORIGIN)


def sign(door: Door, started: Started) -> float:
    """Submit the signature; return the seconds of the POST."""
    return door.timed(f"/proposals/{started.proposal}/review/sign", started.body)[0]


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid4()}"'}


def report(kind: str, fields: Mapping[str, str], action: str) -> bytes:
    """Return a report with one artefact, one claim and one action on this target."""
    target = {"kind": kind, **fields}
    artefact = encode({"target": "/".join(fields.values()), "seen": "misuse " * 40})
    digest = sha256(artefact).hexdigest()
    value = {
        "incident": {
            "kind": "credential_misuse",
            "title": "Credential misused",
            "identity": target,
            "detected_at": "2026-11-22T10:00:00Z",
        },
        "evidence": [
            {
                "sha256": digest,
                "source": "benchmark",
                "media_type": "application/json",
                "collected_at": "2026-11-22T10:00:00Z",
                "attacker_writable": True,
                "content": artefact.decode(),
                "encoding": "utf-8",
            }
        ],
        "diagnosis": {
            "summary": "It is misused.",
            "identity": target,
            "confidence": 90,
            "claims": [
                {
                    "text": "It is misused",
                    "citations": [
                        {
                            "evidence": digest,
                            "pointer": "/target",
                            "value": "/".join(fields.values()),
                        }
                    ],
                }
            ],
        },
        "proposal": {
            "plan": {
                "version": 1,
                "environment": "production",
                "steps": [{"action": action, "target": target, "parameters": {}}],
            },
            "rationale": "Stop it.",
        },
    }
    return encode(value)
