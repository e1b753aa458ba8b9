"""Find the open incidents that need a plan: no proposal of theirs can still run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import connection

from remediation.domain.plan_due import Reached, Why, due, why
from remediation.domain.scope import MAX_SERVICES
from remediation.domain.states import ProposalState
from remediation.models import User
from remediation.services.access import slots, visibility
from remediation.services.reporting.assign import assignees

# States in which a proposal can still run, or is running. A stopped run does nothing more by
# itself: the rest of it needs a plan.
ALIVE = [
    state.value
    for state in (
        ProposalState.SUBMITTED,
        ProposalState.IN_REVIEW,
        ProposalState.APPROVED,
        ProposalState.EXECUTING,
        ProposalState.WAITING,
        ProposalState.UNKNOWN,
    )
]
# More open incidents without a plan than anybody could read.
MOST = 1_000
# As deep as an assessment follows dependencies.
_DEPTH = 32
# Locators whose reach is read by one query.
_AT_ONCE = 25
# An incident that is neither closed nor contained. A run that succeeded is followed by looks that
# contain the incident, so it gets ten minutes before it counts as ended without effect.
NEEDING = """
SELECT i.id, i.title, i.kind, i.locator, i.detected_at, i.recorded_at, i.entry,
       e.entry, e.recorded_at, o.entry, o.recorded_at
  FROM public.remediation_incidententry l
  JOIN public.remediation_incident i ON i.id = l.incident_id
  LEFT JOIN LATERAL (
    SELECT t.entry, t.recorded_at FROM public.remediation_proposal p
      JOIN public.remediation_transition t ON t.proposal_id = p.id AND t.to_state = p.state
     WHERE p.incident_id = i.id ORDER BY t.entry DESC LIMIT 1) AS e ON true
  LEFT JOIN LATERAL (
    SELECT t.entry, t.recorded_at FROM public.remediation_incidenttransition t
     WHERE t.incident_id = i.id AND t.to_state = 'open' ORDER BY t.id DESC LIMIT 1) AS o ON true
 WHERE l.state = 'open'
   AND (%(ids)s::uuid[] IS NULL OR i.id = ANY (%(ids)s::uuid[]))
   AND NOT EXISTS (
         SELECT 1 FROM public.remediation_proposal p
          WHERE p.incident_id = i.id AND (
                p.state = ANY (%(alive)s) OR p.state = 'succeeded'
            AND e.recorded_at > clock_timestamp() - interval '10 minutes'))
 ORDER BY l.detected_at, l.incident_id LIMIT %(most)s
"""


@dataclass(frozen=True)
class Needing:
    """An open incident without a proposal that can still run."""

    incident_id: UUID
    title_untrusted: str
    kind_untrusted: str
    locator_untrusted: str
    detected_at: datetime
    # Since when it needs a plan: the detection, the end of its last proposal, or when it was opened
    # again.
    since: datetime
    known: datetime  # when the portal recorded that
    # The entry of that event: people are told once for each.
    event: int
    first: bool  # it never had a proposal
    due: datetime
    why: Why
    assignee: UUID | None


def needing(user: User) -> tuple[Needing, ...]:
    """Return those that the person may see, the nearest deadline first."""
    found = _rows(None)
    seen = visibility.visible_incident_entries(slots.rights_of(user))
    mine = set(seen.filter(pk__in=[row[0] for row in found]).values_list("pk", flat=True))
    return _read([row for row in found if row[0] in mine])


def all_needing() -> tuple[Needing, ...]:
    """Return all of them, for the worker."""
    return _read(_rows(None))


def of(incident_ids: Collection[UUID]) -> dict[UUID, Needing]:
    """Return those of these incidents that need a plan."""
    return {one.incident_id: one for one in _read(_rows(list(incident_ids)))}


def _rows(ids: list[UUID] | None) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(NEEDING, {"ids": ids, "alive": ALIVE, "most": MOST})
        return list(cursor.fetchall())


def _read(rows: Sequence[tuple[Any, ...]]) -> tuple[Needing, ...]:
    rules = reaches(row[3] for row in rows)
    owned = assignees([row[0] for row in rows])
    found = [_needing(row, rules[row[3]], owned.get(row[0])) for row in rows]
    return tuple(sorted(found, key=lambda one: (one.due, one.incident_id)))


def _needing(row: tuple[Any, ...], rule: Why, assignee: UUID | None) -> Needing:
    pk, title, kind, locator, detected, recorded, entry, *later = row
    event, since, known = entry, detected, recorded
    for other, at in (later[:2], later[2:]):
        if other is not None and other > event:
            event, since, known = other, at, at
    return Needing(
        incident_id=pk,
        title_untrusted=title,
        kind_untrusted=kind,
        locator_untrusted=locator,
        detected_at=detected,
        since=since,
        known=known,
        event=event,
        first=later[0] is None,
        due=due(since, known, rule),
        why=rule,
        assignee=assignee,
    )


def reaches(locators: Iterable[str]) -> dict[str, Why]:
    """Return the rule for each identity, from the strictest inventory of the last 24 hours."""
    found: dict[str, Why] = {}
    wanted = list(dict.fromkeys(locators))
    for begin in range(0, len(wanted), _AT_ONCE):
        part = wanted[begin : begin + _AT_ONCE]
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT place, environment, service_id, bare, service_environment, criticality,"
                " payment_path FROM remediation.scope_v1(%s, %s, %s)",
                [part, _DEPTH, MAX_SERVICES + 1],
            )
            rows = cursor.fetchall()
        environments: dict[int, str | None] = {}
        services: dict[int, list[Reached]] = defaultdict(list)
        for place, environment, service, bare, *values in rows:
            environments[place] = environment
            if service is not None:
                services[place].append(
                    Reached("production", "critical", True) if bare else Reached(*values)
                )
        for place, locator in enumerate(part, start=1):
            found[locator] = why(environments.get(place), services[place])
    return found
