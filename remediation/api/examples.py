"""Examples for the OpenAPI document; a test sends this report to the API."""

from __future__ import annotations

from hashlib import sha256

from audit.tlog.canonical import Json
from remediation.domain.catalogue.postgres_login import DISABLE
from remediation.domain.catalogue.postgres_role import ROLE as POSTGRES_ROLE

LOG = '{"user":"svc_reporting","application_name":"psql","client_addr":"203.0.113.7"}'
LOG_SHA256 = sha256(LOG.encode()).hexdigest()
ROLE: dict[str, Json] = {"kind": POSTGRES_ROLE.kind, **POSTGRES_ROLE.example}

PROPOSAL: dict[str, Json] = {
    "plan": {
        "version": 1,
        "environment": "production",
        "steps": [{"action": DISABLE.kind, "target": ROLE, "parameters": {}}],
    },
    "rationale": "The role is used from outside; nothing that is known to us logs in with it.",
}

REPORT: dict[str, Json] = {
    "incident": {
        "kind": f"{POSTGRES_ROLE.kind}-compromise",
        "title": "svc_reporting logs in from an unknown address",
        "identity": ROLE,
        "detected_at": "2026-11-22T10:15:00Z",
        "external_id": "siem-4711",
    },
    "evidence": [
        {
            "sha256": LOG_SHA256,
            "source": "postgresql:billing/jsonlog",
            "media_type": "application/json",
            "collected_at": "2026-11-22T10:14:30Z",
            "attacker_writable": True,
            "content": LOG,
            "encoding": "utf-8",
        }
    ],
    "diagnosis": {
        "summary": "The service's role was used with an interactive client from outside.",
        "identity": ROLE,
        "confidence": 90,
        "claims": [
            {
                "text": "The role logged in with psql from 203.0.113.7.",
                "citations": [
                    {"evidence": LOG_SHA256, "pointer": "/user", "value": "svc_reporting"},
                    {"evidence": LOG_SHA256, "pointer": "/client_addr", "value": "203.0.113.7"},
                ],
            }
        ],
    },
    "proposal": PROPOSAL,
}

# A gentler plan beside the whole one.
ALTERNATIVES: dict[str, Json] = {
    **{name: part for name, part in REPORT.items() if name != "proposal"},
    "proposals": [
        PROPOSAL,
        {
            "plan": {
                "version": 1,
                "environment": "production",
                "steps": [
                    {
                        "action": DISABLE.kind,
                        "target": {**ROLE, "role": "svc_reporting_adhoc"},
                        "parameters": {},
                    }
                ],
            },
            "rationale": "Gentler: only the role for people's own queries. Reports go on.",
        },
    ],
}

WITHDRAW: dict[str, Json] = {"reason": "A false alarm: the address is the new build host."}

SUPERSEDE: dict[str, Json] = {"proposal": PROPOSAL, "reason": "It is the staging cluster."}

SUBMITTED: dict[str, Json] = {
    "incident": "6f1a7c7e-3f4c-4a52-9a3e-0c4a5d1f7b11",
    "incident_is_new": True,
    "reports": 1,
    "secrets_found": 0,
    "diagnosis_digest": "5c0f" * 16,
    "proposal": "0b6c1f0e-8f0e-4d9a-b8f1-2d7e5a9c3e42",
    "plan_digest": "9a1b" * 16,
    "left_open": [],
    "urls": {
        "proposal": "/api/v1/proposals/0b6c1f0e-8f0e-4d9a-b8f1-2d7e5a9c3e42",
        "withdraw": "/api/v1/proposals/0b6c1f0e-8f0e-4d9a-b8f1-2d7e5a9c3e42/withdraw",
        "supersede": "/api/v1/proposals/0b6c1f0e-8f0e-4d9a-b8f1-2d7e5a9c3e42/supersede",
    },
    "alternatives": [],
}

PROBLEM: dict[str, Json] = {
    "instance": "urn:uuid:5c0f5c0f-5c0f-4c0f-8c0f-5c0f5c0f5c0f",
    "type": "/problems/unknown_field",
    "title": "A field is unknown; unknown fields are refused.",
    "status": 400,
    "detail": "'severity'",
    "errors": [{"detail": "'severity'", "pointer": "#/incident"}],
}
