"""What an agent reads of the dry run of its plan, before people decide and before anything runs.

Without the names that only the worker read at the target: an agent may be compromised.
"""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from audit.tlog.canonical import Json
from remediation.api.shape_fields import instant_field, with_schema
from remediation.domain import checks, instant
from remediation.domain.dry_run import (
    DryStep,
    Precheck,
    dry_run,
    known_to_agents,
    precheck_of,
    without_names,
)
from remediation.domain.errors import BadInput
from remediation.domain.observation import parse_observations
from remediation.models import Assessment, Proposal
from remediation.services.access import looks
from remediation.services.load_plan import load_plan


def _value(words: str) -> serializers.JSONField:
    return with_schema({"format": "JSON value", "nullable": True, "description": words})


class DryRunStep(serializers.Serializer[Any]):
    """One step of the dry run."""

    step = serializers.IntegerField()
    precheck = serializers.ChoiceField(
        [one.value for one in Precheck],
        help_text="Whether the executor would refuse the step on what it would meet."
        " `not_looked_at`: the target could not be read.",
    )
    exists = serializers.BooleanField(
        allow_null=True,
        help_text="Whether the target would be there before the step; null if it was not read.",
    )
    left_by = serializers.IntegerField(
        allow_null=True,
        help_text="The earlier step that would leave `before`; null if it is as it was read.",
    )
    changes = inline_serializer(
        "DryRunChange",
        {
            "field": serializers.CharField(),
            "before": _value('Only reviewers read what stands for "{value}".'),
            "after": _value("What the step makes stands as its name: `<access_key_id>`."),
        },
        many=True,
        help_text="Each pinned field that the step would change.",
    )


class DryRun(serializers.Serializer[Any]):
    """The dry run of the whole plan, step by step, in order."""

    round = serializers.IntegerField()
    at = instant_field()
    steps = DryRunStep(many=True)


def answer(found: Proposal, assessment: Assessment | None) -> dict[str, Json] | None:
    """Return the dry run of the newest assessment; None before it, or for another catalogue."""
    if assessment is None:
        return None
    try:
        plan = load_plan(bytes(found.plan))
    except BadInput:
        return None
    results = checks.parse(bytes(assessment.checks))
    known = known_to_agents(plan)
    return {
        "round": assessment.round,
        "at": instant.dump(assessment.recorded_at),
        "steps": [
            _step(one, precheck_of(one, results), known)
            for one in dry_run(plan, parse_observations(looks.observation(assessment)))
        ],
    }


def _step(one: DryStep, precheck: Precheck, known: frozenset[str]) -> dict[str, Json]:
    return {
        "step": one.step.index,
        "precheck": precheck.value,
        "exists": one.before.exists if one.before is not None else None,
        "left_by": one.left_by,
        "changes": [
            {
                "field": change.field,
                "before": without_names(change.before, known),
                "after": without_names(change.after, known),
            }
            for change in one.changes
        ],
    }
