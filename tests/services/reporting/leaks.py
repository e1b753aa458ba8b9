"""Reports whose evidence holds secrets, and a look at everything that is kept."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from hashlib import sha256
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from remediation.domain import report
from remediation.services.reporting import submit
from tests.flows.world import World, acts

AWS = "wJalrXUtnFEMI/K7MDENG" + "/bPxRfiCYEXAMPLEKEY"
PASSWORD = "Tr0ub4dor" + "&3-horse"
LEAK = json.dumps(
    {"target": "t1", "secretAccessKey": AWS, "url": f"amqp://app:{PASSWORD}@mq/"}
).encode()
REASON = "To tell the owner which password to rotate."


def leaking(world: World) -> report.Report:
    """Return the world's report with an artefact of two secrets, and texts that quote them."""
    usual = world.report()
    held = report.Artefact(
        sha256=sha256(LEAK).hexdigest(),
        source=f"dump of {PASSWORD}",
        media_type="application/json",
        collected_at=usual.evidence[0].collected_at,
        attacker_writable=False,
        content=LEAK,
    )
    claim = report.Claim(
        f"The key {AWS} is used from outside",
        (report.Citation(held.sha256, "/secretAccessKey", AWS),),
    )
    told = report.parse_diagnosis(
        {
            "summary": f"{PASSWORD} and {AWS} leaked",
            "identity": usual.diagnosis.identity.to_json(),
            "confidence": 90,
            "claims": [one.to_json() for one in (*usual.diagnosis.claims, claim)],
        },
        allow_test=True,
    )
    return replace(
        usual,
        incident=replace(usual.incident, title=f"Leaked: {PASSWORD}"),
        evidence=(*usual.evidence, held),
        diagnosis=told,
        rationale=f"Anyone with {AWS} can do everything.",
    )


def handed_in(world: World, given: report.Report | None = None) -> UUID:
    with acts("hitl_web"), transaction.atomic():
        made = submit.report(given or leaking(world), actor=world.agent)
    assert made.proposal_id is not None
    return made.proposal_id


def everything_but_blobs() -> bytes:
    """Return every row of every table of facts and of the log, as the database prints it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_schema || '.' || table_name FROM information_schema.tables"
            " WHERE table_type = 'BASE TABLE' AND table_name <> 'remediation_evidenceblob'"
            "   AND (table_name LIKE 'remediation%' OR table_schema = 'audit')"
        )
        dump = []
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT convert_to(row_to_json(t)::text, 'UTF8') FROM {table} t")
            dump += [bytes(row[0]) for row in cursor.fetchall()]
            # Bytes are printed in hexadecimal.
            dump += [bytes.fromhex(part.decode()) for row in dump[-999:] for part in _hex(row)]
    return b"\n".join(dump)


def _hex(row: bytes) -> list[bytes]:
    return [part[3:] for part in re.findall(rb"\\\\x(?:[0-9a-f]{2})+", row)]


def with_artefact(
    usual: report.Report, document: Any, *citations: tuple[str, Any], summary: str = ""
) -> report.Report:
    """Return the report with one more artefact and a claim that cites it."""
    content = json.dumps(document).encode()
    digest = sha256(content).hexdigest()
    held = replace(usual.evidence[0], sha256=digest, content=content)
    claim = report.Claim(
        "It is in the log", tuple(report.Citation(digest, *cited) for cited in citations)
    )
    told = report.parse_diagnosis(
        {
            "summary": summary or usual.diagnosis.summary,
            "identity": usual.diagnosis.identity.to_json(),
            "confidence": 90,
            "claims": [one.to_json() for one in (*usual.diagnosis.claims, claim)],
        },
        allow_test=True,
    )
    return replace(usual, evidence=(*usual.evidence, held), diagnosis=told)
