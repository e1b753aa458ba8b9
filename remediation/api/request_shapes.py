"""Shapes of what an agent sends, for the OpenAPI document only.

`domain.report` parses requests; tests check that it matches these shapes.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from remediation.api.shape_fields import SHA256, instant_field, target_field, with_schema
from remediation.domain import plan, report
from remediation.domain.catalogue import ACTIONS, is_test
from remediation.domain.waits import LEAST_WAIT_S, MOST_WAIT_S

ACTION_KINDS = [kind for kind in ACTIONS if not is_test(kind)]


class Incident(serializers.Serializer[Any]):
    kind = serializers.RegexField(r"^[a-z0-9][a-z0-9_.-]{0,63}$", help_text="A slug.")
    title = serializers.CharField(max_length=200)
    identity = target_field()
    detected_at = instant_field()
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
    collected_at = instant_field()
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
    identity = target_field()
    confidence = serializers.IntegerField(min_value=0, max_value=100, help_text="Per cent.")
    claims = serializers.ListField(child=Claim(), max_length=report.MAX_CLAIMS)


class Wait(serializers.Serializer[Any]):
    conditions = inline_serializer(
        "Condition",
        {
            "condition": serializers.CharField(
                help_text="One of the `conditions` of that step's action in the catalogue."
            ),
            "step": serializers.IntegerField(
                min_value=0, help_text="The step at whose target it is looked for, from 0."
            ),
        },
        many=True,
        help_text="They must be seen to be met, each name once.",
    )
    person = serializers.BooleanField(help_text="Then a person must sign to go on.")
    within_s = serializers.IntegerField(
        min_value=LEAST_WAIT_S,
        max_value=MOST_WAIT_S,
        help_text="When this time has passed, people are asked what to do.",
    )


class Step(serializers.Serializer[Any]):
    action = serializers.ChoiceField(ACTION_KINDS)
    target = target_field()
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
    wait = Wait(
        required=False,
        help_text="Only in version 2: what the run waits for after this step, before the next one.",
    )


class Plan(serializers.Serializer[Any]):
    version = serializers.IntegerField(
        min_value=1,
        max_value=plan.SECOND,
        help_text="2: with `order`, and where needed with waits, references and several steps on"
        " one target.",
    )
    order = serializers.ChoiceField(
        list(plan.Order),
        required=False,
        help_text="Only in version 2, where it is needed. `move_first`: consumers are seen on the"
        " new credential before the old one ends. `cut_first`: the old one ends now. `none`: the"
        " plan delivers no new credential.",
    )
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
