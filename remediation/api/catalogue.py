"""The catalogue as agents read it: every action with JSON Schemas and limits."""

from __future__ import annotations

from audit.tlog.canonical import Json
from remediation.domain import plan, report
from remediation.domain.catalogue import (
    ACTIONS,
    REPORT_ONLY,
    TARGETS,
    ActionSpec,
    TargetSpec,
    is_test,
)


def catalogue(*, allow_test: bool) -> dict[str, Json]:
    """What can be proposed, on what, and how large a report may be."""
    shown = [spec for spec in ACTIONS.values() if allow_test or not is_test(spec.kind)]
    kinds = [spec for spec in TARGETS.values() if allow_test or not is_test(spec.kind)]
    return {
        "actions": [action(spec) for spec in shown],
        "targets": [
            {
                "kind": spec.kind,
                "title": spec.title,
                "schema": target_schema(spec),
                "report_only": spec.report_only,
                "note": REPORT_ONLY if spec.report_only else "",
            }
            for spec in kinds
        ],
        "environments": list(plan.ENVIRONMENTS),
        "orders": list(plan.Order),
        "limits": limits(),
    }


def limits() -> dict[str, Json]:
    return {
        "report_bytes": report.MAX_BYTES,
        "artefact_bytes": report.MAX_ARTEFACT_BYTES,
        "artefacts": report.MAX_ARTEFACTS,
        "claims": report.MAX_CLAIMS,
        "citations_for_each_claim": report.MAX_CITATIONS,
        "plan_bytes": plan.MAX_BYTES,
        "plan_steps": plan.MAX_STEPS,
    }


def action(spec: ActionSpec) -> dict[str, Json]:
    return {
        "action": spec.kind,
        "executor": spec.version,
        "title": spec.title,
        "sentence": spec.sentence,
        "target": target_schema(TARGETS[spec.target_kind]),
        "parameters": dict(spec.parameters),
        "rollback": spec.rollback,
        "reversible": spec.reversible,
        "hard_timeout_s": spec.hard_timeout_s,
        "propagation_s": spec.propagation_s,
        "pin_fields": list(spec.pin_fields),
        "leaves": spec.leaves,
        "creates": spec.creates,
        "retires": spec.retires,
        "delivers": spec.delivers,
        "makes": dict(spec.makes),
        "references": dict(spec.references),
        "conditions": list(spec.conditions),
        "seen_by_uses": spec.seen_by_uses,
        "replaces": dict(spec.replaces),
        "ends_sessions": spec.ends_sessions,
        "lives_on": [
            {
                "seen_in": one.seen_in,
                "parameter": one.parameter,
                "action": one.action,
                "target": dict(one.target),
                "before": one.before,
                "none": one.none,
            }
            for one in spec.lives_on or ()
        ],
        "limits": [
            {
                "field": limit.field,
                "present": limit.present,
                "absent": limit.absent,
                "unknown": limit.unknown,
                "cuts": limit.cuts,
            }
            for limit in spec.limits
        ],
        "cannot": list(spec.cannot),
    }


def target_schema(spec: TargetSpec) -> dict[str, Json]:
    """A JSON Schema (2020-12) of the target object."""
    fields: dict[str, Json] = {
        name: _field_schema(pattern, spec.escaped.get(name))
        for name, pattern in spec.fields.items()
    }
    return {
        "type": "object",
        "properties": {"kind": {"type": "string", "enum": [spec.kind]}, **fields},
        "required": ["kind", *spec.fields],
        "additionalProperties": False,
    }


def _field_schema(pattern: str, most: int | None) -> dict[str, Json]:
    """`most` is the number of bytes of a free value; None for a field without free values."""
    schema: dict[str, Json] = {"type": "string", "pattern": f"^(?:{pattern})$"}
    if most is None:
        return schema
    # JSON Schema counts characters; the portal counts bytes.
    return {
        **schema,
        "minLength": 1,
        "maxLength": most,
        "description": (
            f"The name as it is, unescaped: any text of 1 to {most} bytes of UTF-8 without NUL."
        ),
    }
