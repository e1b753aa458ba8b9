"""A minimal second agent: it finds addresses of the ledger in a public build log.

The log is invented, but its logins and passwords are valid at the demo's target: the portal masks
working credentials.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256

from hitlportal.demo.agent.client import Client
from hitlportal.demo.agent.records import Json
from hitlportal.demo.play.reporting import Reported
from hitlportal.demo.servers.errors import ServerError
from hitlportal.demo.stack import Stack
from hitlportal.demo.story import CLUSTER, LEAKED

# The same key in every report, so that all of them belong to one incident.
EXTERNAL_ID = "build-4711"
ACTION = "postgres.role.disable"


def build_log(dsns: Mapping[str, str]) -> bytes:
    """Return the build's output: the address of each role, with its password."""
    printed: list[Json] = [
        {"line": 812 + number, "user": role, "value": f"{role.upper()}_DSN={dsn}"}
        for number, (role, dsn) in enumerate(dsns.items())
    ]
    log: Json = {"build": 4711, "project": "shop/deploy", "readable_by": "anyone", "env": printed}
    return json.dumps(log, indent=1).encode()


def report(log: bytes, roles: Sequence[str], *, cites: bool = True) -> dict[str, Json]:
    """Return the body of a report that proposes to disable these roles, in this order.

    A report without citations is one that people return.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    printed = [entry["user"] for entry in json.loads(log)["env"]]
    digest = sha256(log).hexdigest()
    claims: list[Json] = [
        {
            "text": f"The build log shows the address of {role}, with its password.",
            "citations": [
                {"evidence": digest, "pointer": f"/env/{printed.index(role)}/user", "value": role}
            ],
        }
        for role in roles
        if cites
    ]
    steps: list[Json] = [
        {"action": ACTION, "target": _target(role), "parameters": {}} for role in roles
    ]
    return {
        "incident": {
            "kind": "credential_exposure",
            "title": f"Passwords of {len(printed)} roles of {CLUSTER} in a public build log",
            "identity": _target(printed[0]),
            "detected_at": now,
            "external_id": EXTERNAL_ID,
        },
        "evidence": [
            {
                "sha256": digest,
                "source": "log of build 4711, shop/deploy",
                "media_type": "application/json",
                "collected_at": now,
                "attacker_writable": False,
                "content": log.decode(),
                "encoding": "utf-8",
            }
        ],
        "diagnosis": {
            "summary": f"Anyone could read how to sign in as {', '.join(roles)}.",
            "identity": _target(roles[0]),
            "confidence": 95 if cites else 40,
            "claims": claims,
        },
        "proposal": {
            "plan": {"version": 1, "environment": "production", "steps": steps},
            "rationale": "Who read the log can sign in until the role is disabled.",
        },
    }


def scan(
    stack: Stack, token: str, roles: Sequence[str] = tuple(LEAKED), *, cites: bool = True
) -> Reported:
    """Read the log and post the report.

    Raises ServerError when the portal accepts no proposal, and the errors of the client.
    """
    body = report(build_log(stack.ledger.leaked()), roles, cites=cites)
    answer = Client(stack.origin, token).report(body).body
    incident = body["incident"]
    proposal = answer.get("proposal") if isinstance(answer, dict) else None
    if not isinstance(proposal, str) or not isinstance(incident, dict):
        raise ServerError(f"the portal accepted no proposal: {answer}")
    return Reported(str(incident["title"]), proposal)


def _target(role: str) -> Json:
    return {"kind": "postgres.role", "cluster": CLUSTER, "role": role}
