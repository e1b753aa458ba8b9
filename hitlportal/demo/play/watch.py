"""A third agent: it sees that a token and a workload are used as they never were.

What it saw is invented; the token works at the demo's provider, and the workload is in the
simulated cluster.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from hitlportal.demo.agent.client import Client
from hitlportal.demo.agent.records import Json
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.servers.errors import ServerError
from hitlportal.demo.stack import Stack
from hitlportal.demo.story import (
    CLIENT,
    ISSUER,
    KUBERNETES,
    NAMESPACE,
    TOKEN_TITLE,
    WORKLOAD,
    WORKLOAD_TITLE,
)

USUAL, UNUSUAL = "192.0.2.14", "203.0.113.77"  # addresses for documentation (RFC 5737)


@dataclass(frozen=True)
class Sighting:
    """What the agent saw in a log, and what it proposes."""

    title: str
    kind: str
    identity: Json
    source: str
    log: Json
    summary: str
    claim: str
    cited: tuple[str, str]  # a pointer into the log, and the value there
    step: Json
    rationale: str


def token(stack: Stack, token: str) -> Reported:
    """Report the API token, and propose to revoke it. Raises ServerError."""
    named = stack.issuer.sha256
    identity: Json = {"kind": "oauth.token", "issuer": ISSUER, "sha256": named}
    calls: list[Json] = [
        {"client": CLIENT, "token_sha256": named, "from": USUAL, "path": "/v1/stock"},
        {"client": CLIENT, "token_sha256": named, "from": UNUSUAL, "path": "/v1/orders/export"},
    ]
    step: Json = {
        "action": "oauth.token.revoke",
        "target": identity,
        "parameters": {"token_type": "access_token"},
    }
    seen = Sighting(
        title=TOKEN_TITLE,
        kind="credential_misuse",
        identity=identity,
        source="access log of the API gateway",
        log={"gateway": "api.shop.example", "requests": calls},
        summary=f"Somebody else uses the API token of {CLIENT}: it exports orders.",
        claim=f"The token came from {UNUSUAL}, where {CLIENT} never was.",
        cited=("/requests/1/from", UNUSUAL),
        step=step,
        rationale="Who has the token can read what its client can, until it is revoked.",
    )
    return _send(stack, token, seen)


def workload(stack: Stack, token: str) -> Reported:
    """Report the workload, and propose to cut it off from the network. Raises ServerError."""
    identity: Json = {
        "kind": "kubernetes.workload",
        "cluster": KUBERNETES,
        "namespace": NAMESPACE,
        "controller": "deployment",
        "name": WORKLOAD,
    }
    flows: list[Json] = [
        {"workload": WORKLOAD, "to": USUAL, "port": 443, "bytes": 48211},
        {"workload": WORKLOAD, "to": UNUSUAL, "port": 8443, "bytes": 913337001},
    ]
    step: Json = {
        "action": "kubernetes.workload.isolate",
        "target": identity,
        "parameters": {"directions": ["Ingress", "Egress"]},
    }
    seen = Sighting(
        title=WORKLOAD_TITLE,
        kind="workload_misuse",
        identity=identity,
        source="flow log of the cluster",
        log={"cluster": KUBERNETES, "namespace": NAMESPACE, "flows": flows},
        summary=f"{WORKLOAD} sends far more than ever, to an address that it never used.",
        claim=f"The workload sent data to {UNUSUAL}.",
        cited=("/flows/1/to", UNUSUAL),
        step=step,
        rationale="Cut off, its pods keep running as evidence, and send nothing any more.",
    )
    return _send(stack, token, seen)


def _body(one: Sighting) -> dict[str, Json]:
    """Return the report of what was seen."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    content = json.dumps(one.log, indent=1)
    digest = sha256(content.encode()).hexdigest()
    pointer, value = one.cited
    return {
        "incident": {
            "kind": one.kind,
            "title": one.title,
            "identity": one.identity,
            "detected_at": now,
            "external_id": f"watch-{one.kind}",
        },
        "evidence": [
            {
                "sha256": digest,
                "source": one.source,
                "media_type": "application/json",
                "collected_at": now,
                "attacker_writable": False,
                "content": content,
                "encoding": "utf-8",
            }
        ],
        "diagnosis": {
            "summary": one.summary,
            "identity": one.identity,
            "confidence": 80,
            "claims": [
                {
                    "text": one.claim,
                    "citations": [{"evidence": digest, "pointer": pointer, "value": value}],
                }
            ],
        },
        "proposal": {
            "plan": {"version": 1, "environment": "production", "steps": [one.step]},
            "rationale": one.rationale,
        },
    }


def _send(stack: Stack, token: str, seen: Sighting) -> Reported:
    answer = Client(stack.origin, token).report(_body(seen)).body
    proposal = answer.get("proposal") if isinstance(answer, dict) else None
    if not isinstance(proposal, str):
        raise ServerError(f"the portal accepted no proposal: {answer}")
    return Reported(seen.title, proposal)
