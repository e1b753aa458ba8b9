"""Shapes for the OpenAPI document only.

`domain.report` parses requests and `answers` builds answers; tests check that both match these
shapes.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from audit.tlog.canonical import Json
from remediation.api.catalogue import target_schema
from remediation.api.containment import Containment
from remediation.domain import plan, report
from remediation.domain.catalogue import ACTIONS, TARGETS, is_test
from remediation.domain.outcome import Outcome
from remediation.domain.states import ProposalState

SHA256 = r"^[0-9a-f]{64}$"
ACTION_KINDS = [kind for kind in ACTIONS if not is_test(kind)]


def with_schema(schema: dict[str, Any], **options: Any) -> serializers.JSONField:
    """A field with a given schema."""

    @extend_schema_field(schema)
    class Shape(serializers.JSONField):
        pass

    return Shape(**options)


def _target() -> serializers.JSONField:
    kinds: list[Json] = [
        {"title": spec.title, **target_schema(spec)}
        for spec in TARGETS.values()
        if not is_test(spec.kind)
    ]
    return with_schema({"oneOf": kinds})


def _instant() -> serializers.JSONField:
    return with_schema(
        {
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$",
            "description": "RFC 3339 in UTC, with Z.",
        }
    )


# ---- what an agent sends -------------------------------------------------------------------------


class Incident(serializers.Serializer[Any]):
    kind = serializers.RegexField(r"^[a-z0-9][a-z0-9_.-]{0,63}$", help_text="A slug.")
    title = serializers.CharField(max_length=200)
    identity = _target()
    detected_at = _instant()
    external_id = serializers.CharField(
        max_length=200,
        required=False,
        allow_blank=True,
        help_text="Your own id. A report with the same id, or with the same kind and identity, is"
        " added to the incident while it is open.",
    )


class Artefact(serializers.Serializer[Any]):
    sha256 = serializers.RegexField(SHA256, help_text="Of the decoded bytes.")
    # The metaclass removes fields from the class, so no attribute of Serializer is shadowed.
    source = serializers.CharField(max_length=200)  # type: ignore[assignment]
    media_type = serializers.CharField(max_length=165, help_text="Without parameters.")
    collected_at = _instant()
    attacker_writable = serializers.BooleanField(
        help_text="Whether the attacker could have written any part of it."
    )
    content = serializers.CharField(
        allow_blank=True,
        help_text=f"The whole artefact, at most {report.MAX_ARTEFACT_BYTES} bytes.",
    )
    encoding = serializers.ChoiceField(["utf-8", "base64"])


class Citation(serializers.Serializer[Any]):
    evidence = serializers.RegexField(SHA256)
    pointer = serializers.CharField(
        allow_blank=True,
        max_length=1000,
        help_text="RFC 6901 pointer into the artefact, read as JSON.",
    )
    value = with_schema(
        {
            "description": "The exact value at this place.",
            "oneOf": [{"type": "string"}, {"type": "integer"}, {"type": "boolean"}],
            "nullable": True,
        }
    )


class Claim(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=2000)
    citations = serializers.ListField(child=Citation(), max_length=report.MAX_CITATIONS)


class Diagnosis(serializers.Serializer[Any]):
    summary = serializers.CharField(max_length=4000)
    identity = _target()
    confidence = serializers.IntegerField(min_value=0, max_value=100, help_text="Per cent.")
    claims = serializers.ListField(child=Claim(), max_length=report.MAX_CLAIMS)


class Step(serializers.Serializer[Any]):
    action = serializers.ChoiceField(ACTION_KINDS)
    target = _target()
    parameters = with_schema(
        {"type": "object", "description": "According to the action's schema in the catalogue."}
    )
    executor = serializers.IntegerField(
        required=False, help_text="Version of the action; default: the catalogue's."
    )
    rollback = with_schema(
        {
            "type": "string",
            "nullable": True,
            "description": "An action of the catalogue; default: the one in the catalogue.",
        },
        required=False,
    )


class Plan(serializers.Serializer[Any]):
    version = serializers.IntegerField(min_value=1, max_value=1)
    environment = serializers.ChoiceField(list(plan.ENVIRONMENTS))
    steps = serializers.ListField(child=Step(), min_length=1, max_length=plan.MAX_STEPS)


class Proposed(serializers.Serializer[Any]):
    plan = Plan()
    rationale = serializers.CharField(max_length=4000, allow_blank=True)


class Report(serializers.Serializer[Any]):
    incident = Incident()
    evidence = serializers.ListField(
        child=Artefact(), min_length=1, max_length=report.MAX_ARTEFACTS
    )
    diagnosis = Diagnosis()
    proposal = Proposed(required=False, help_text="Omit it when no action of the catalogue fits.")
    proposals = serializers.ListField(
        child=Proposed(),
        required=False,
        min_length=report.MIN_ALTERNATIVES,
        max_length=report.MAX_ALTERNATIVES,
        help_text="Instead of `proposal`: different plans, shown to people side by side. Their"
        " order recommends nothing, and at most one of them is ever approved.",
    )


class Withdraw(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=200)


class Supersede(serializers.Serializer[Any]):
    proposal = Proposed()
    reason = serializers.CharField(max_length=200)


# ---- what it gets --------------------------------------------------------------------------------


class Urls(serializers.Serializer[Any]):
    proposal = serializers.CharField(required=False)
    withdraw = serializers.CharField(required=False)
    supersede = serializers.CharField(required=False)


class Submitted(serializers.Serializer[Any]):
    incident = serializers.UUIDField()
    incident_is_new = serializers.BooleanField()
    evidence_new = serializers.IntegerField(help_text="Artefacts that are new.")
    secrets_found = serializers.IntegerField(
        help_text="Secrets in the artefacts. People see them masked; texts that quoted one were"
        " stored with [masked] in its place."
    )
    diagnosis_version = serializers.IntegerField()
    diagnosis_digest = serializers.RegexField(SHA256)
    proposal = serializers.UUIDField(allow_null=True)
    plan_digest = serializers.RegexField(SHA256, allow_null=True)
    urls = Urls()
    alternatives = inline_serializer(
        "SubmittedAlternative",
        {
            "proposal": serializers.UUIDField(),
            "plan_digest": serializers.RegexField(SHA256),
            "urls": Urls(),
        },
        many=True,
        help_text="One for each of `proposals`, in their order; `proposal` is then null.",
    )


class Proposal(serializers.Serializer[Any]):
    proposal = serializers.UUIDField()
    incident = serializers.UUIDField()
    state = serializers.ChoiceField([state.value for state in ProposalState])
    final = serializers.BooleanField(help_text="The state is final.")
    round = serializers.IntegerField()
    plan_digest = serializers.RegexField(SHA256)
    diagnosis_digest = serializers.RegexField(SHA256)
    submitted_at = _instant()
    decide_by = with_schema({"type": "string", "format": "date-time", "nullable": True})
    planned_by = serializers.ChoiceField(
        ["agent", "person"],
        help_text="`person`: a person made this plan for your diagnosis; you cannot withdraw it.",
    )
    alternatives = inline_serializer(
        "Alternative",
        {"proposal": serializers.UUIDField(), "state": serializers.CharField()},
        many=True,
        help_text="The other plans of the same choice. When one is approved, the rest ends as"
        " superseded.",
    )
    supersedes = serializers.UUIDField(allow_null=True)
    superseded_by = serializers.UUIDField(allow_null=True)
    transitions = inline_serializer(
        "Transition",
        {
            "from": serializers.CharField(),
            "to": serializers.CharField(),
            "round": serializers.IntegerField(),
            "at": _instant(),
            "by": serializers.ChoiceField(["agent", "person", "worker", "operator", "system"]),
            "reason": serializers.CharField(allow_blank=True),
        },
        many=True,
    )
    reasons = inline_serializer(
        "Reason",
        {"code": serializers.CharField(), "text": serializers.CharField(allow_blank=True)},
        many=True,
        help_text="Why people rejected or returned it.",
    )
    refusals = inline_serializer(
        "RefusalByName",
        {
            "name": serializers.CharField(),
            "by": serializers.ChoiceField(["agent", "worker"]),
            "at": _instant(),
        },
        many=True,
    )
    steps = inline_serializer(
        "StepPhase",
        {
            "step": serializers.IntegerField(),
            "phase": serializers.CharField(),
            "at": _instant(),
        },
        many=True,
    )
    outcomes = inline_serializer(
        "StepOutcome",
        {
            "step": serializers.IntegerField(),
            "outcome": serializers.ChoiceField([outcome.value for outcome in Outcome]),
            "reason": serializers.CharField(allow_blank=True),
        },
        many=True,
        help_text="The outcome of each step, once the run has started.",
    )
    does_not_stop = inline_serializer(
        "StepLimits",
        {
            "step": serializers.IntegerField(),
            "seen_at": with_schema({"type": "string", "format": "date-time", "nullable": True}),
            "seen": serializers.ListField(child=serializers.CharField()),
            "never": serializers.ListField(child=serializers.CharField()),
        },
        many=True,
        help_text=(
            "What each step does not stop: as the worker saw it at the target, and always. Only"
            ' reviewers read what stands for "{value}".'
        ),
    )
    result = inline_serializer(
        "RunResult",
        {
            "state": serializers.ChoiceField(["succeeded", "failed", "stopped", "rolled_back"]),
            "reason": serializers.CharField(allow_blank=True),
            "at": _instant(),
        },
        allow_null=True,
        help_text="How the run ended; null while it runs and if nothing ran.",
    )
    containment = Containment(
        help_text="The state of the incident, the worker's newest look at its identity, and what"
        " this proposal's run lacks to contain it."
    )
    urls = Urls()


class Problem(serializers.Serializer[Any]):
    """RFC 9457."""

    type = serializers.CharField(help_text="/problems/ and the refusal's name.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField(required=False)
    instance = serializers.CharField(required=False)
    errors = inline_serializer(  # type: ignore[assignment]
        "PlacedError",
        {"detail": serializers.CharField(), "pointer": serializers.CharField()},
        many=True,
        required=False,
    )
