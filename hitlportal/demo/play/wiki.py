"""The second agent again: it finds a role's password on a page of a wiki, and proposes nothing.

Two teams use the role, and the agent does not know which of them could do without it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from hashlib import sha256

from hitlportal.demo.agent.client import Client
from hitlportal.demo.agent.records import Json
from hitlportal.demo.servers.errors import ServerError
from hitlportal.demo.stack import Stack
from hitlportal.demo.story import CLUSTER, SHARED, WIKI_TITLE


def page(dsn: str) -> bytes:
    """Return the page of the wiki as its export has it."""
    found: Json = {
        "page": "How to export statements",
        "readable_by": "everybody in the company",
        "snippets": [{"line": 17, "user": SHARED, "value": f"STATEMENTS_DSN={dsn}"}],
    }
    return json.dumps(found, indent=1).encode()


def report(export: bytes) -> dict[str, Json]:
    """Return the body of a report that has a diagnosis and no plan."""
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    digest = sha256(export).hexdigest()
    identity: Json = {"kind": "postgres.role", "cluster": CLUSTER, "role": SHARED}
    return {
        "incident": {
            "kind": "credential_exposure",
            "title": WIKI_TITLE,
            "identity": identity,
            "detected_at": now,
            "external_id": "wiki-1138",
        },
        "evidence": [
            {
                "sha256": digest,
                "source": "export of the wiki, page 1138",
                "media_type": "application/json",
                "collected_at": now,
                "attacker_writable": False,
                "content": export.decode(),
                "encoding": "utf-8",
            }
        ],
        "diagnosis": {
            "summary": f"Everybody in the company can read how to sign in as {SHARED}.",
            "identity": identity,
            "confidence": 95,
            "claims": [
                {
                    "text": f"The page shows the address of {SHARED}, with its password.",
                    "citations": [
                        {"evidence": digest, "pointer": "/snippets/0/user", "value": SHARED}
                    ],
                }
            ],
        },
    }


def scan(stack: Stack, token: str) -> str:
    """Read the page and report it; return the incident's id.

    Raises ServerError when the portal answers with a proposal, and the errors of the client.
    """
    answer = Client(stack.origin, token).report(report(page(stack.ledger.dsn(SHARED)))).body
    if not isinstance(answer, dict) or answer.get("proposal") is not None:
        raise ServerError(f"the portal made a proposal of a report without a plan: {answer}")
    return str(answer["incident"])
