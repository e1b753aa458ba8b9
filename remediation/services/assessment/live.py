"""Ask the worker to read the identities of an incident now; no round of review begins.

A page asks when it is opened, by its script, and a person by a button. Requests are facts, bounded
for each identity and each person (the guard counts, too); the worker answers each with a fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.states import FINAL
from remediation.models import Incident, LiveRequest, Proposal, ProposalTarget, User
from remediation.services.access import visibility
from remediation.services.clock import database_now
from remediation.services.guards import translated
from remediation.services.outbox import dispatch

# An answer that is younger is not asked for again.
FRESH = timedelta(seconds=15)
# A request that is not answered after this time is given up: the page says so.
WAIT = timedelta(seconds=60)
# Identities of one incident that are read; a plan has at most sixteen.
MOST = 16


@dataclass(frozen=True)
class Named:
    """An identity, and the action of a plan on it; "" for the incident's own."""

    locator: str
    action: str = ""


def identities(incident: Incident, proposal: Proposal | None = None) -> tuple[Named, ...]:
    """Return the identities of the diagnosis, and of the plan or of every plan that can still run.

    The incident's own comes first.
    """
    targets = ProposalTarget.objects.filter(proposal__incident=incident)
    if proposal is not None:
        targets = targets.filter(proposal=proposal)
    else:
        targets = targets.exclude(proposal__state__in=[state.value for state in FINAL])
    rows = targets.order_by("proposal__recorded_at", "step").values_list("locator", flat=True)
    found = dict.fromkeys([incident.locator, *rows[: 4 * MOST]])
    return tuple(Named(locator) for locator in list(found)[:MOST])


def ask(*, actor: User, incident: Incident, locators: Iterable[str]) -> int:
    """Ask the worker to read these identities; return for how many a request was recorded.

    One that was read some seconds ago, or is asked for already, is not asked for again. A crash
    after the commit delays the answer until the next turn of the task. Raises NoSuchObject, and
    WrongState when this person asked very often.
    """
    if not visibility.visible_incidents(actor).filter(pk=incident.pk).exists():
        raise errors.NoSuchObject()
    now = database_now()
    with transaction.atomic():
        wanted = [one for one in dict.fromkeys(locators) if not _is_recent(incident, one, now)]
        if wanted:
            _record(actor, incident, wanted[:MOST])
    if wanted:
        dispatch.wake_live()
    return len(wanted)


def newest(incident: Incident, locator: str) -> LiveRequest | None:
    """Return the newest request about the identity."""
    return (
        LiveRequest.objects.filter(incident=incident, locator=locator)
        .select_related("answer", "secrets")
        .order_by("-pk")
        .first()
    )


def is_waiting(request: LiveRequest | None, now: datetime) -> bool:
    """Return whether the worker may still answer this request."""
    return (
        request is not None and not hasattr(request, "answer") and request.recorded_at + WAIT > now
    )


def _is_recent(incident: Incident, locator: str, now: datetime) -> bool:
    request = newest(incident, locator)
    if request is None:
        return False
    answer = getattr(request, "answer", None)
    if answer is not None:
        return bool(answer.recorded_at + FRESH > now)
    return is_waiting(request, now)


def _record(actor: User, incident: Incident, locators: list[str]) -> None:
    entry = log.append(
        action=Event.PERSON_LIVE_ASKED,
        actor=actor.actor,
        object=f"incident:{incident.pk}",
        data={"identities": list(locators)},
    )
    with translated():
        for locator in locators:
            LiveRequest.objects.create(
                incident=incident, locator=locator, person=actor.person, entry=entry.id
            )
