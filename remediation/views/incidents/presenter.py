"""Build the data of the pages about incidents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, Q, QuerySet
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.text import capfirst
from django.utils.translation import gettext

from remediation import vocabulary
from remediation.domain import errors
from remediation.domain.catalogue import REPORT_ONLY, is_report_only
from remediation.domain.states import FINAL, IncidentState
from remediation.models import (
    IdentityVersion,
    Incident,
    IncidentEntry,
    IncidentTransition,
    QueueEntry,
    User,
)
from remediation.services.access import slots, visibility
from remediation.views.cards import proposal_rows
from remediation.views.cards.containment import containment
from remediation.views.cards.history import HistoryRow
from remediation.views.cards.live import live_card
from remediation.views.cards.outcomes import outcomes_card
from remediation.views.forms import CLOSE_TITLES, CloseForm
from remediation.views.incidents.page import IncidentPage, IncidentRow, IncidentsPage
from remediation.views.names import Names

PAGE = 50


_ENDED = [state.value for state in FINAL]


NOTHING: dict[str, Any] = {"made": 0, "alive": 0, "soonest": None}


def incidents_page(
    found: QuerySet[IncidentEntry],
    query: QueryDict,
    *,
    heading: str,
    explain: str,
    may_audit: bool,
    state: str = "",
    states: tuple[str, ...] = (),
) -> IncidentsPage:
    """Return one part of the list (keyset pagination), perhaps of one of ``states`` only."""
    if state:
        found = found.filter(state=state)
    after = _cursor(query.get("after", ""), query.get("id", ""))
    if after is not None:
        at, pk = after
        # The first condition lets the index skip rows; the second is exact.
        found = found.filter(detected_at__gte=at).filter(
            Q(detected_at__gt=at) | Q(detected_at=at, incident__gt=pk)
        )
    part = list(_whole(found.order_by("detected_at", "incident"))[: PAGE + 1])
    last = part[PAGE - 1] if len(part) > PAGE else None
    return IncidentsPage(
        rows=tuple(rows(part[:PAGE], found.db)),
        may_audit=may_audit,
        heading=heading,
        explain=explain,
        next_page=(
            urlencode(
                {
                    **({"state": state} if state else {}),
                    "after": last.detected_at.isoformat(),
                    "id": str(last.pk),
                }
            )
            if last
            else ""
        ),
        state=state,
        states=states,
    )


def incident_page(person: User, entry: IncidentEntry, form: CloseForm | None) -> IncidentPage:
    """Return one incident; ``form`` has what was typed."""
    incident, row = entry.incident, rows([entry])[0]
    closed = row.state == IncidentState.CLOSED
    may_close = not closed and visibility.may_close_incidents(person, incident)
    seen = visibility.visible_queue(slots.rights_of(person)).filter(incident=incident)
    proposals = proposal_rows.rows(
        proposal_rows.readable(seen).order_by("-proposal__recorded_at", "pk")
    )
    return IncidentPage(
        incident=row,
        proposals=proposals,
        moves=tuple(moves(incident)),
        reports=incident.reports.count(),
        earlier=incident.earlier_id,
        report_only=vocabulary.saying(REPORT_ONLY) if is_report_only(incident.locator) else "",
        form=(form or CloseForm()) if may_close else None,
        containment=containment(person, incident, row.state),
        live=live_card(person, incident),
        outcomes=outcomes_card(person, incident),
        alive=tuple(one for one in proposals if one.state not in _ENDED),
    )


def visible(person: User, incident_id: UUID) -> IncidentEntry:
    """Return the incident's entry, if this person may see it. Raises NoSuchObject."""
    seen = visibility.visible_incident_entries(slots.rights_of(person))
    found = _whole(seen).filter(pk=incident_id).first()
    if found is None:
        raise errors.NoSuchObject()
    return found


def rows(entries: Sequence[IncidentEntry], using: str = "default") -> list[IncidentRow]:
    """Return lines of incidents in the given order; two queries for all of them."""
    counts = _counts([entry.pk for entry in entries], using)
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
