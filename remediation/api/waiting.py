"""Build what agents read of a run: where it will wait, and on what it waits now.

Without names of people, and without what else the target's record shows.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.conditions import ConsumerSeen, Use
from remediation.domain.errors import BadInput
from remediation.domain.states import ProposalState
from remediation.models import Assessment, Proposal
from remediation.services.clock import database_now
from remediation.services.execution import waits
from remediation.services.load_plan import load_plan


class ConsumerUse(serializers.Serializer[Any]):
    """How far one consumer came, and when it was seen last on the old and on the new credential."""

    service = serializers.CharField()
    use = serializers.ChoiceField([use.value for use in Use])
    last_old = serializers.DateTimeField(allow_null=True)
    last_new = serializers.DateTimeField(allow_null=True)


class RunWaiting(serializers.Serializer[Any]):
    """On whom or what a run waits between two steps."""

    on = serializers.ChoiceField(["person", "conditions"])
    after_step = serializers.IntegerField()
    since = serializers.DateTimeField()
    deadline = serializers.DateTimeField()
    overdue = serializers.BooleanField()
    consumers = ConsumerUse(many=True)
    unmet = serializers.ListField(child=serializers.CharField())


class RunHold(serializers.Serializer[Any]):
    """One place where the run will wait, with its own time."""

    after_step = serializers.IntegerField()
    person = serializers.BooleanField(help_text="A person has to sign that it goes on.")
    conditions = serializers.ListField(child=serializers.CharField())
    within_s = serializers.IntegerField(help_text="After it people are asked.")


class Run(serializers.Serializer[Any]):
    """Where the run waits, and what it does now; `waiting` is null unless it waits."""

    holds = RunHold(
        many=True,
        help_text="The plan's waits, and those that the ruling adds once the worker has assessed"
        " the plan.",
    )
    waiting = RunWaiting(allow_null=True)


def run(found: Proposal, assessment: Assessment | None) -> dict[str, Json]:
    """Return where the run waits, and what it does now; ``waiting`` is null unless it waits."""
    return {
        "holds": _holds(found, assessment),
        "waiting": _waiting(found) if found.state == ProposalState.WAITING else None,
    }


def _holds(found: Proposal, assessment: Assessment | None) -> list[Json]:
    try:
        plan = load_plan(bytes(found.plan))
    except BadInput:  # of another catalogue
        return []
    planned = waits.planned(plan, bytes(assessment.ruling)) if assessment else plan.waits
    return [
        {
            "after_step": step,
            "person": wait.person,
            "conditions": [condition.name for condition in wait.conditions],
            "within_s": wait.within_s,
        }
        for step, wait in sorted(planned.items())
    ]


def _waiting(found: Proposal) -> dict[str, Json] | None:
    wait = waits.newest(found)
    if wait is None:
        return None
    page, deadline = waits.shown(wait), waits.deadline_of(wait)
    on_person = wait.person and not page.unmet
    # Two conditions can be about the same consumers.
    seen = {one.service: one for sighting in page.sightings for one in sighting.consumers}
    return {
        "on": "person" if on_person else "conditions",
        "after_step": wait.step,
        "since": instant.dump(wait.recorded_at),
        "deadline": instant.dump(deadline),
        "overdue": database_now() >= deadline,
        "consumers": [_consumer(one) for _, one in sorted(seen.items())],
        "unmet": list(page.unmet),
    }  # fmt: skip


def _consumer(seen: ConsumerSeen) -> dict[str, Json]:
    return {
        "service": seen.service,
        "use": seen.use.value,
        "last_old": instant.dump(seen.last_old) if seen.last_old else None,
        "last_new": instant.dump(seen.last_new) if seen.last_new else None,
    }
