"""A masked report as JSON and back, without its artefacts' bytes: they are frames of their own.

What comes from a child is checked by type, plans and targets by the catalogue, digests anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar

from audit.tlog.canonical import Json
from remediation.domain.digest import Kind, digest
from remediation.domain.plan import Plan, Target, parse_target
from remediation.domain.plan import load as load_plan
from remediation.domain.report import (
    Alternative,
    Artefact,
    Citation,
    Claim,
    Diagnosis,
    IncidentReport,
    Report,
)
from remediation.domain.secrets.detector import Found, Secret
from remediation.domain.secrets.masking import Masked
from remediation.reading.here import Rules

T = TypeVar("T")


def dump(masked: Masked) -> dict[str, Json]:
    """Return a masked report as JSON."""
    report, incident = masked.report, masked.report.incident
    return {
        "incident": {
            "kind": incident.kind,
            "title": incident.title,
            "identity": incident.identity.to_json(),
            "detected_at": incident.detected_at.isoformat(),
            "external_id": incident.external_id,
        },
        "evidence": [_artefact(one) for one in report.evidence],
        "diagnosis": report.diagnosis.body.decode(),
        "plan": report.plan.body.decode() if report.plan else None,
        "rationale": report.rationale,
        "alternatives": [[one.plan.body.decode(), one.rationale] for one in report.alternatives],
        "found": {
            name: {
                "whole": one.whole,
                "secrets": [[s.offset, s.length, s.rule] for s in one.secrets],
            }
            for name, one in masked.found.items()
        },
    }


def load(value: Json, contents: Sequence[bytes], rules: Rules) -> Masked:
    """Build a masked report from JSON and the artefacts' bytes.

    Raises TypeError, LookupError, ValueError or BadInput when it is not one.
    """
    top = typed(value, dict)
    incident = typed(top["incident"], dict)
    evidence = [
        _load_artefact(typed(one, dict), content)
        for one, content in zip(typed(top["evidence"], list), contents, strict=True)
    ]
    report = Report(
        incident=IncidentReport(
            kind=typed(incident["kind"], str),
            title=typed(incident["title"], str),
            identity=target(incident["identity"], rules),
            detected_at=datetime.fromisoformat(incident["detected_at"]),
            external_id=typed(incident["external_id"], str),
        ),
        evidence=tuple(evidence),
        diagnosis=_diagnosis(typed(top["diagnosis"], str).encode(), rules),
        plan=None if top["plan"] is None else _plan(top["plan"], rules),
        rationale=typed(top["rationale"], str),
        alternatives=tuple(
            Alternative(_plan(plan, rules), typed(rationale, str))
            for plan, rationale in typed(top["alternatives"], list)
        ),
    )
    found = typed(top["found"], dict)
    return Masked(report, {one.sha256: _found(found[one.sha256]) for one in evidence})


def target(value: Json, rules: Rules) -> Target:
    """Build a target. Raises BadInput."""
    return parse_target(value, "", allow_test=rules.allow_test)


def typed(value: Any, wanted: type[T]) -> T:
    """Return the value if it is exactly of this type. Raises TypeError."""
    if type(value) is not wanted:
        raise TypeError(wanted.__name__)
    return value


def _artefact(one: Artefact) -> Json:
    return {
        "sha256": one.sha256,
        "source": one.source,
        "media_type": one.media_type,
        "collected_at": one.collected_at.isoformat(),
        "attacker_writable": one.attacker_writable,
    }


def _load_artefact(value: Mapping[str, Any], content: bytes) -> Artefact:
    if sha256(content).hexdigest() != value["sha256"]:
        raise ValueError("another digest")
    return Artefact(
        sha256=value["sha256"],
        source=typed(value["source"], str),
        media_type=typed(value["media_type"], str),
        collected_at=datetime.fromisoformat(value["collected_at"]),
        attacker_writable=typed(value["attacker_writable"], bool),
        content=content,
    )


def _diagnosis(body: bytes, rules: Rules) -> Diagnosis:
    """Build the diagnosis without parsing it strictly again: the child did, in its own time."""
    value = typed(json.loads(body), dict)
    return Diagnosis(
        summary=typed(value["summary"], str),
        identity=target(value["identity"], rules),
        confidence=typed(value["confidence"], int),
        claims=tuple(
            Claim(
                typed(one["text"], str),
                tuple(
                    Citation(typed(c["evidence"], str), typed(c["pointer"], str), c["value"])
                    for c in typed(one["citations"], list)
                ),
            )
            for one in typed(value["claims"], list)
        ),
        body=body,
        digest=digest(Kind.DIAGNOSIS, body),
    )


def _plan(value: Any, rules: Rules) -> Plan:
    body = typed(value, str).encode()
    return load_plan(body, protected=rules.protected, allow_test=rules.allow_test)


def _found(value: Any) -> Found:
    secrets = tuple(
        Secret(typed(offset, int), typed(length, int), typed(rule, str))
        for offset, length, rule in typed(value["secrets"], list)
    )
    return Found(secrets, typed(value["whole"], bool))
