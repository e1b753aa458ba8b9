"""Fixtures for the API's tests: agents with real tokens, and the rights of the web login."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings
from django.core.cache import caches
from django.http import HttpResponse
from rest_framework.test import APIClient

from remediation import models as m
from remediation.services.actors import PersonActor
from remediation.services.reporting import agents
from tests import factories
from tests.conftest import AsLogin
from tests.factories import Person


def key() -> str:
    """Return a new Idempotency-Key."""
    return f'"{uuid4()}"'


def report(name: str = "t1", **changes: Any) -> dict[str, Any]:
    """Return a report about a test target, with a plan."""
    content = factories.artefact(name).decode()
    digest = sha256(content.encode()).hexdigest()
    identity = {"kind": "test.target", "name": name}
    made: dict[str, Any] = {
        "incident": {
            "kind": "credential_misuse",
            "title": "Key misused",
            "identity": identity,
            "detected_at": "2026-11-22T10:00:00Z",
        },
        "evidence": [
            {
                "sha256": digest,
                "source": "test log",
                "media_type": "application/json",
                "collected_at": "2026-11-22T10:00:00Z",
                "attacker_writable": True,
                "content": content,
                "encoding": "utf-8",
            }
        ],
        "diagnosis": {
            "summary": "It is misused.",
            "identity": identity,
            "confidence": 90,
            "claims": [
                {
                    "text": f"{name} is misused",
                    "citations": [{"evidence": digest, "pointer": "/target", "value": name}],
                }
            ],
        },
        "proposal": proposed(name),
    }
    return {**made, **changes}


def proposed(name: str = "t1", note: str = "") -> dict[str, Any]:
    """Return a plan for a test target, with its rationale."""
    step = {
        "action": "test.noop",
        "target": {"kind": "test.target", "name": name},
        "parameters": {"note": note},
    }
    return {
        "plan": {"version": 1, "environment": "staging", "steps": [step]},
        "rationale": "Stop it.",
    }


@dataclass
class Caller:
    """An agent with a token; its requests run with hitl_web's rights."""

    agent: m.Agent
    token: m.AgentToken
    text: str
    as_login: AsLogin
    client: APIClient = field(default_factory=lambda: APIClient(raise_request_exception=False))

    def get(self, path: str, **headers: str) -> HttpResponse:
        return self.ask("GET", path, headers=headers)

    def post(self, path: str, body: Any, *, key: str | None = "", **headers: str) -> HttpResponse:
        """Send `body` as JSON, or unchanged if it is bytes; `key` None sends no key."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        if key is not None:
            headers = {"Idempotency-Key": key or globals()["key"](), **headers}
        return self.ask("POST", path, raw, headers=headers)

    def report(self, *args: Any, key: str = "", **changes: Any) -> HttpResponse:
        return self.post("reports", report(*args, **changes), key=key)

    def proposes(self, *args: Any, **changes: Any) -> UUID:
        answer = self.report(*args, **changes)
        assert answer.status_code == 201, answer.content
        return UUID(json.loads(answer.content)["proposal"])

    def ask(
        self,
        method: str,
        path: str,
        raw: bytes = b"",
        *,
        headers: dict[str, str] | None = None,
        content_type: str = "application/json",
    ) -> HttpResponse:
        sent = {"Authorization": f"Bearer {self.text}", **(headers or {})}
        with self.as_login("hitl_web"):
            return self.client.generic(
                method,
                f"/api/v1/{path}",
                raw,  # type: ignore[arg-type]  # bytes are sent as they are
                content_type=content_type,
                headers=sent,
            )


CallerOf = Callable[[str], Caller]


def close_cache() -> None:
    """Close this thread's cache connections: an unclosed socket is an error in tests."""
    for pool in caches["default"]._cache._pools.values():  # type: ignore[attr-defined]
        pool.disconnect()


@pytest.fixture(autouse=True, scope="session")
def _static_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Create the static directory: WhiteNoise warns if it is missing, and warnings are errors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "STATIC_ROOT", str(tmp_path_factory.mktemp("static")))
        yield


@pytest.fixture
def eve(db: None) -> Person:
    """Administers agents, makes their tokens."""
    return factories.person(roles=["agent_admin"])


@pytest.fixture
def dave(db: None) -> Person:
    """Owns the agents."""
    return factories.person()


@pytest.fixture
def caller_of(eve: Person, dave: Person, as_login: AsLogin) -> CallerOf:
    """`caller_of("scanner")` returns a new agent owned by dave, with a token made by eve."""

    def make(name: str) -> Caller:
        actor = PersonActor(eve.id, eve.user.pk)
        with as_login("hitl_web"):
            agent = agents.create(
                actor=actor, name=f"{name} {factories.number()}", owner_person=dave.id
            )
            token, text = agents.issue_token(actor=actor, agent_id=agent.pk)
        return Caller(agent, token, text, as_login)

    return make


@pytest.fixture
def scanner(caller_of: CallerOf) -> Caller:
    return caller_of("scanner")


def problem(response: HttpResponse, status: int, name: str) -> dict[str, Any]:
    """Return the problem document of a refusal after checking its form (RFC 9457)."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = json.loads(response.content)
    assert told["type"] == f"/problems/{name}"
    assert told["status"] == status
    assert told["title"]
    return told


def told(response: HttpResponse, status: int = 200) -> dict[str, Any]:
    """Check the status of an answer and return its JSON."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    value: dict[str, Any] = json.loads(response.content)
    return value
