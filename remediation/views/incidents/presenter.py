"""Build the data of the pages about incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Count, Min, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.text import capfirst
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain import errors
from remediation.domain.states import FINAL, IncidentState
from remediation.models import (
    IdentityVersion,
    Incident,
    IncidentEntry,
    IncidentTransition,
    QueueEntry,
    User,
)
from remediation.services.access import authorize, slots, visibility
from remediation.services.reporting import needs_plan
from remediation.services.reporting.assign import assignees
from remediation.services.reporting.needs_plan import Needing
from remediation.views.cards.history import HistoryRow
from remediation.views.forms import CLOSE_TITLES
from remediation.views.incidents import filters
from remediation.views.incidents.page import IncidentRow, IncidentsPage
from remediation.views.names import Names

PAGE = 50


_ENDED = [state.value for state in FINAL]


NOTHING: dict[str, Any] = {"made": 0, "alive": 0, "soonest": None}


def incidents_page(
    found: QuerySet[IncidentEntry],
    request: HttpRequest,
    person: User,
    *,
    heading: str,
    explain: str,
    acts: bool,
) -> IncidentsPage:
    """Return one part of the list (keyset pagination).

    ``acts``: the list of people who act on incidents, without the closed ones unless asked for.
    """
    chosen = filters.Filter.read(request.GET, kinds := filters.kinds(found), people=acts)
    listed = found.exclude(state=IncidentState.CLOSED) if acts and not chosen.state else found
    listed = chosen.apply(listed, person, needs_plan.needing(person) if chosen.needs else ())
    down = chosen.sort == filters.NEWEST
    after = _cursor(request.GET.get("after", ""), request.GET.get("id", ""))
    if after is not None:
        listed = listed.filter(_beyond(*after, down=down))
    order = ("-detected_at", "-incident") if down else ("detected_at", "incident")
    part = list(_whole(listed.order_by(*order))[: PAGE + 1])
    last = part[PAGE - 1] if len(part) > PAGE else None
    return IncidentsPage(
        rows=tuple(rows(part[:PAGE], found.db)),
        may_audit=authorize.may_audit(person),
        heading=heading,
        explain=explain,
        next_page=(
            chosen.query(after=last.detected_at.isoformat(), id=str(last.pk)) if last else ""
        ),
        chosen=chosen,
        states=filters.STATES,
        kinds=tuple(kinds),
        acts=acts,
    )


def _beyond(at: datetime, pk: UUID, *, down: bool) -> Q:
    """Return the rule for rows after this one; its first part lets the index skip rows."""
    if down:
        return Q(detected_at__lte=at) & (Q(detected_at__lt=at) | Q(detected_at=at, incident__lt=pk))
    return Q(detected_at__gte=at) & (Q(detected_at__gt=at) | Q(detected_at=at, incident__gt=pk))


def visible(person: User, incident_id: UUID) -> IncidentEntry:
    """Return the incident's entry, if this person may see it. Raises NoSuchObject."""
    seen = visibility.visible_incident_entries(slots.rights_of(person))
    found = _whole(seen).filter(pk=incident_id).first()
    if found is None:
        raise errors.NoSuchObject()
    return found


def rows(entries: Sequence[IncidentEntry], using: str = "default") -> list[IncidentRow]:
    """Return lines of incidents in the given order; the same few queries for any number."""
    keys = [entry.pk for entry in entries]
    counts, needing, now = _counts(keys, using), _needing(keys, using), timezone.now()
    contained, has = _contained(keys, using), assignees(keys, using)
    names = Names(has.values())
    owners = _owners({entry.incident.locator for entry in entries}, using)
    return [
        IncidentRow(
            incident_id=entry.pk,
            title_untrusted=entry.incident.title,
            kind_untrusted=entry.incident.kind,
            locator_untrusted=entry.incident.locator,
            state=entry.state,
            detected_at=entry.detected_at,
            agent=entry.incident.agent.name,
            owner=owners.get(entry.incident.locator, ""),
            decide_by=counts.get(entry.pk, NOTHING)["soonest"],
            proposals=counts.get(entry.pk, NOTHING)["made"],
            open_proposals=counts.get(entry.pk, NOTHING)["alive"],
            plan_due=needing[entry.pk].due if entry.pk in needing else None,
            late=any(
                due is not None and due <= now
                for due in (
                    needing[entry.pk].due if entry.pk in needing else None,
                    counts.get(entry.pk, NOTHING)["soonest"],
                )
            ),
            contained_after=(
                (contained[entry.pk] - entry.detected_at).total_seconds()
                if entry.pk in contained
                else None
            ),
            assignee=names.person(has[entry.pk]) if entry.pk in has else "",
        )
        for entry in entries
    ]


def _whole(entries: QuerySet[IncidentEntry]) -> QuerySet[IncidentEntry]:
    return entries.select_related("incident__agent")


def _counts(incidents: list[UUID], using: str) -> dict[UUID, dict[str, Any]]:
    """Count the proposals of each incident and the open ones; find the nearest deadline."""
    found = (
        QueueEntry.objects.using(using)
        .filter(incident__in=incidents)
        .order_by()
        .values("incident")
        .annotate(
            made=Count("pk"),
            alive=Count("pk", filter=~Q(state__in=_ENDED)),
            soonest=Min("due", filter=Q(state="in_review")),
        )
    )
    return {row["incident"]: {**row} for row in found}


def _needing(incidents: list[UUID], using: str) -> dict[UUID, Needing]:
    """Return what needs a plan; nothing on an auditor's login, which reads and does not act."""
    return needs_plan.of(incidents) if using == DEFAULT_DB_ALIAS else {}


def _contained(incidents: list[UUID], using: str) -> dict[UUID, datetime]:
    """Return when each incident was first contained."""
    found = IncidentTransition.objects.using(using).filter(
        incident__in=incidents, to_state=IncidentState.CONTAINED
    )
    return dict(found.order_by().values_list("incident").annotate(at=Min("recorded_at")))


def _owners(locators: set[str], using: str) -> dict[str, str]:
    """Return the owner of each identity, by the newest version of the inventory."""
    newest = (
        IdentityVersion.objects.using(using)
        .filter(identity__locator__in=locators)
        .order_by("identity", "-pk")
        .distinct("identity")
    )
    return dict(newest.values_list("identity__locator", "owner_team"))


def moves(incident: Incident) -> list[HistoryRow]:
    """Return the incident's states, oldest first."""
    found = list(incident.transitions.order_by("pk"))
    names = Names.of_actors([incident.agent.actor, *(move.actor for move in found)])
    opened = HistoryRow(
        at=incident.recorded_at,
        kind="transition",
        word="open",
        title=capfirst(vocabulary.word("open")),
        actor=names.actor(incident.agent.actor),
        entry=incident.entry,
    )
    return [opened, *(_move(move, names) for move in found)]


def _move(move: IncidentTransition, names: Names) -> HistoryRow:
    outcome = dict(CLOSE_TITLES).get(move.outcome, "")  # type: ignore[call-overload]
    return HistoryRow(
        at=move.recorded_at,
        kind="transition",
        word=move.to_state,
        title=_title(move) + (f": {outcome}" if outcome else ""),
        actor=names.actor(move.actor),
        entry=move.entry,
        reason="" if move.to_state == IncidentState.CONTAINED and move.look_id else move.reason,
        language="" if outcome else "en",
    )


def _title(move: IncidentTransition) -> str:
    if move.to_state == IncidentState.OPEN:
        return gettext("Open again")
    if move.look_id is not None:
        return gettext("Contained: a person confirmed a look of the worker")
    return capfirst(vocabulary.word(move.to_state))


def _cursor(after: str, pk: str) -> tuple[datetime, UUID] | None:
    """Read the place in an address; None when it is not valid."""
    try:
        at = parse_datetime(after)
        return (at, UUID(pk)) if at is not None and at.tzinfo is not None else None
    except ValueError:
        return None
