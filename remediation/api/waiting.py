"""Build what agents read of a run that waits: on what, since when, and how far consumers came.

Without names of people, and without what else the target's record shows.
"""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.conditions import ConsumerSeen, Use
from remediation.domain.states import ProposalState
from remediation.models import Proposal
from remediation.services.clock import database_now
from remediation.services.execution import waits


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


class Run(serializers.Serializer[Any]):
    """What the run does now; `waiting` is null unless it waits."""

    waiting = RunWaiting(allow_null=True)


def run(found: Proposal) -> dict[str, Json]:
    """Return what the run does now; ``waiting`` is null unless it waits."""
    return {"waiting": _waiting(found) if found.state == ProposalState.WAITING else None}


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
