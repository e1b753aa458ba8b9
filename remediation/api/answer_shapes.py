"""Shapes of what an agent gets, for the OpenAPI document only.

`answers` builds answers; tests check that they match these shapes.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from remediation.api.containment import Containment
from remediation.api.dry_run import DryRun
from remediation.api.shape_fields import SHA256, instant_field, with_schema
from remediation.api.waiting import Run
from remediation.domain.outcome import Outcome
from remediation.domain.states import ProposalState


class Urls(serializers.Serializer[Any]):
    proposal = serializers.CharField(required=False)
    withdraw = serializers.CharField(required=False)
    supersede = serializers.CharField(required=False)


class LeftOpen(serializers.Serializer[Any]):
    """Sessions, connections or tokens that a step may leave open, and how the plan could end them.

    Nobody has looked at the target yet. Supersede the proposal to add what ends them.
    """

    step = serializers.IntegerField()
    parameter = serializers.CharField(
        allow_blank=True, help_text="The parameter of the step that ends them, if true."
    )
    action = serializers.CharField(
        allow_blank=True, help_text="The action that ends them in a later step, on `target`."
    )
    target = with_schema({"type": "object", "nullable": True})


class Submitted(serializers.Serializer[Any]):
    incident = serializers.UUIDField()
    incident_is_new = serializers.BooleanField()
    reports = serializers.IntegerField(help_text="Your reports of this incident, with this one.")
    secrets_found = serializers.IntegerField(
        help_text="Secrets in the artefacts. People see them masked; texts that quoted one were"
        " stored with [masked] in its place."
    )
    diagnosis_digest = serializers.RegexField(SHA256)
    proposal = serializers.UUIDField(allow_null=True)
    plan_digest = serializers.RegexField(SHA256, allow_null=True)
    left_open = LeftOpen(many=True, help_text="What the plan may leave open.")
    urls = Urls()
    alternatives = inline_serializer(
        "SubmittedAlternative",
        {
            "proposal": serializers.UUIDField(),
            "plan_digest": serializers.RegexField(SHA256),
            "left_open": LeftOpen(many=True),
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
    submitted_at = instant_field()
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
            "at": instant_field(),
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
            "at": instant_field(),
        },
        many=True,
    )
    steps = inline_serializer(
        "StepPhase",
        {
            "step": serializers.IntegerField(),
            "phase": serializers.CharField(),
            "at": instant_field(),
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
    dry_run = DryRun(
        allow_null=True,
        help_text="The dry run of the plan: what each step would find and change, in order, judged"
        " by the worker without a write. Null until the worker has assessed the proposal.",
    )
    run = Run()
    does_not_stop = inline_serializer(
        "StepLimits",
        {
            "step": serializers.IntegerField(),
            "seen_at": with_schema({"type": "string", "format": "date-time", "nullable": True}),
            "seen": serializers.ListField(child=serializers.CharField()),
            "cuts": serializers.ListField(child=serializers.CharField()),
            "never": serializers.ListField(child=serializers.CharField()),
        },
        many=True,
        help_text=(
            "What each step does not stop: as the worker saw it at the target, and always; and"
            " whom it cuts. Only"
            ' reviewers read what stands for "{value}".'
        ),
    )
    result = inline_serializer(
        "RunResult",
        {
            "state": serializers.ChoiceField(["succeeded", "failed", "stopped", "rolled_back"]),
            "reason": serializers.CharField(allow_blank=True),
            "at": instant_field(),
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
