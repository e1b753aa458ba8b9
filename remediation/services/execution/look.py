"""Look whether the identity of an incident has access, after the incident was contained.

The worker looks with the observer's credential when a look is due by the database's clock, and
when a person asks. Access found opens the incident again, in the look's own transaction. A run that
was seen too early to contain its incident is followed by a look at once, which may contain it. A
look that could not read is on record too, repeated with back-off, and never shown as "without
access".
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import Error as DatabaseError
from django.db import connection, transaction

from audit import log
from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.containment import (
    UNREAD_TOLD,
    Found,
    SeenPlace,
    found,
    look_due,
    places,
)
from remediation.domain.errors import Refused, TargetUnobservable
from remediation.domain.events import Event
from remediation.domain.plan import Step
from remediation.domain.states import IncidentState
from remediation.executors.run import executor_of
from remediation.models import Incident, IncidentLook, Proposal
from remediation.services.actors import Actor
from remediation.services.assessment.observe import observe
from remediation.services.clock import database_now
from remediation.services.execution import look_subject
from remediation.services.outbox import notify_incident, serve
from remediation.services.reporting import incidents

logger = logging.getLogger(__name__)

# One run of the task looks at no more than this, and begins no look after so many seconds: expiry
# and the sweep share its queue.
MOST, SECONDS = 20, 10.0
# Of these so many because people asked, and only after what is due by itself: a web process that
# was taken over can ask in everybody's name.
MOST_ASKED = 5
# How long to wait for the lock of an incident: others are due, too.
LOCK_MS = 200
# Incidents that this process could not look at: they come last, so that they hold up no other.
_in_the_way: set[UUID] = set()

# Contained incidents with their newest look since then. None about an identity on which a run is
# executing: a reversal that is under way would look like access from outside.
CONTAINED = """
SELECT t.incident_id, t.recorded_at, l.recorded_at, coalesce((l.data ->> 'in_a_row')::integer, 0)
  FROM public.remediation_incidenttransition t
  LEFT JOIN LATERAL (
    SELECT x.recorded_at, x.data FROM public.remediation_incidentlook x
     WHERE x.incident_id = t.incident_id AND x.recorded_at > t.recorded_at
     ORDER BY x.id DESC LIMIT 1) AS l ON true
 WHERE t.to_state = 'contained' AND NOT EXISTS (
    SELECT 1 FROM public.remediation_incidenttransition n
     WHERE n.incident_id = t.incident_id AND n.id > t.id)
"""
# Incidents with a request of the last hour that no look has answered.
ASKED = """
SELECT r.incident_id, min(r.recorded_at) FROM public.remediation_incidentlookrequest r
 WHERE r.recorded_at > clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_incidentlook l
                    WHERE l.incident_id = r.incident_id AND l.recorded_at > r.recorded_at)
   AND NOT EXISTS (SELECT 1 FROM public.remediation_incidenttransition t
                    WHERE t.incident_id = r.incident_id AND t.to_state = 'closed')
 GROUP BY r.incident_id
"""
# Incidents whose own run succeeded within the hour, that have not moved since, and that no look has
# read since.
FOLLOWING = """
SELECT i.id, max(m.recorded_at) FROM public.remediation_transition m
  JOIN public.remediation_proposal p ON p.id = m.proposal_id AND p.state = 'succeeded'
   AND p.reverses_id IS NULL
  JOIN public.remediation_incident i ON i.id = p.incident_id
  JOIN public.remediation_proposaltarget t ON t.proposal_id = p.id AND t.locator = i.locator
 WHERE m.to_state = 'succeeded' AND m.recorded_at > clock_timestamp() - interval '1 hour'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_incidenttransition n
                    WHERE n.incident_id = i.id AND n.entry > m.entry)
   AND NOT EXISTS (SELECT 1 FROM public.remediation_incidentlook l
                    WHERE l.incident_id = i.id AND l.entry > m.entry
                      AND (l.found <> 'unread'
                           OR l.recorded_at > clock_timestamp() - interval '1 minute'))
 GROUP BY i.id
"""
# What a look rests on: the newest move, the newest look, the newest begin or end of a run on the
# identity, its newest step there, and how many runs on it are executing. A run that waits is none
# of these: no call of it is in flight, and it may wait for weeks, in which access must be found.
MARK = """
SELECT (SELECT max(t.id) FROM public.remediation_incidenttransition t WHERE t.incident_id = i.id),
       (SELECT max(l.id) FROM public.remediation_incidentlook l WHERE l.incident_id = i.id),
       (SELECT max(m.id) FROM public.remediation_transition m
          JOIN public.remediation_proposaltarget p ON p.proposal_id = m.proposal_id
         WHERE p.locator = i.locator
           AND ('executing' IN (m.from_state, m.to_state) OR m.from_state = 'waiting')),
       (SELECT max(s.id) FROM public.remediation_steprecord s
          JOIN public.remediation_execution e ON e.id = s.execution_id
          JOIN public.remediation_proposaltarget p ON p.proposal_id = e.proposal_id
           AND p.step = s.step
         WHERE p.locator = i.locator),
       (SELECT count(*) FROM public.remediation_proposal q
          JOIN public.remediation_proposaltarget p ON p.proposal_id = q.id
         WHERE p.locator = i.locator AND q.state = 'executing')
  FROM public.remediation_incident i WHERE i.id = %s
"""


@dataclass(frozen=True)
class Mark:
    """What must be the same before a look and when it is recorded."""

    move: int | None
    look: int | None
    run: int | None
    step: int | None
    executing: int


@dataclass(frozen=True)
class Seen:
    """What one look saw."""

    at: datetime
    places: tuple[SeenPlace, ...]
    why: str = ""

    @property
    def found(self) -> Found:
        return Found.UNREAD if self.why else found(self.places)


def look(*, actor: Actor) -> int:
    """Look at everything that is due; return how many looks were recorded."""
    began, recorded = time.monotonic(), 0
    for incident_id in _due():
        if recorded >= MOST or time.monotonic() - began >= SECONDS:
            logger.warning("more looks are due than one run of the task makes")
            break
        try:
            recorded += look_at(incident_id, actor=actor)
            _in_the_way.discard(incident_id)
        except (Refused, DatabaseError) as error:
            # One incident must not keep the others from being looked at, now or next time.
            _in_the_way.add(incident_id)
            logger.error("incident %s was not looked at: %s", incident_id, error)
    return recorded


def look_at(incident_id: UUID, *, actor: Actor) -> bool:
    """Look at the identity of one incident now; return whether a look was recorded.

    Nothing is recorded while a run on the identity is executing, or when the incident or such a
    run moved during the look. A crash before the commit leaves nothing, and the look stays due.
    """
    incident = Incident.objects.get(pk=incident_id)
    before = _mark(incident)
    if before.executing:
        return False
    proposal, step = look_subject.subject(incident)
    seen = _see(step)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [f"{LOCK_MS}ms"])
        incidents.lock(incident.pk)
        state = incidents.state(incident)
        if state is IncidentState.CLOSED or _mark(incident) != before:
            return False
        made = _record(incident, proposal, step, seen, actor)
        if made.found == Found.ACCESS:
            incidents.reopen(
                actor=actor, incident=incident, reason=_describe(seen.places), look=made
            )
        elif made.found == Found.WITHOUT and look_subject.awaits_look(incident, proposal):
            assert proposal is not None
            incidents.contain(
                actor=actor,
                incident=incident,
                proposal=proposal,
                reason=f"proposal {proposal.pk}, then look {made.pk}",
                look=made,
            )
        elif state is IncidentState.CONTAINED and made.data.get("in_a_row") == UNREAD_TOLD:
            notify_incident.unread(made, actor=actor)
    return True


def _due() -> list[UUID]:
    """Return the incidents to look at now: what is due by itself, then what people asked for.

    Each by age; what was in the way before comes last.
    """
    now = database_now()
    with connection.cursor() as cursor:
        cursor.execute(ASKED)
        asked = sorted((at, pk) for pk, at in cursor.fetchall())
        cursor.execute(CONTAINED)
        regular = [(look_due(at, last, row), pk) for pk, at, last, row in cursor.fetchall()]
        cursor.execute(FOLLOWING)
        regular += [(at, pk) for pk, at in cursor.fetchall()]
    due = _own([pk for at, pk in sorted(regular) if at <= now])
    wanted = _own([pk for _, pk in asked if pk not in due])
    # Of the requests, too, those in the way must not be the ones that are picked.
    wanted = sorted(wanted, key=_in_the_way.__contains__)[:MOST_ASKED]
    return sorted([*dict.fromkeys(due), *wanted], key=_in_the_way.__contains__)


def _own(keys: list[UUID]) -> list[UUID]:
    """Return the incidents about identities of environments that this worker serves."""
    if serve.serves_all():
        return keys
    locators = dict(Incident.objects.filter(pk__in=keys).values_list("pk", "locator"))
    own = serve.own_identities(set(locators.values()))
    return [key for key in keys if locators[key] in own]


def _mark(incident: Incident) -> Mark:
    with connection.cursor() as cursor:
        cursor.execute(MARK, [incident.pk])
        return Mark(*cursor.fetchone())


def _see(step: Step | None) -> Seen:
    """Read the identity with the observer's credential."""
    now = database_now()
    if step is None:
        return Seen(now, (), "no action of the catalogue takes access away from it")
    result = observe([step])
    observation = result.observations[step.target.locator]
    if observation is None:
        return Seen(now, (), result.failures[step.target.locator][:500])
    try:
        points = executor_of(step).points(step, observation)
    except Exception as error:
        # An executor of another package may fail here; that is no proof of anything.
        logger.error("the places of %s cannot be told: %s", step.target.locator, error)
        return Seen(now, (), f"{TargetUnobservable.name}: {type(error).__name__}")
    return Seen(now, places([point.to_json() for point in points]))


def _record(
    incident: Incident, proposal: Proposal | None, step: Step | None, seen: Seen, actor: Actor
) -> IncidentLook:
    data: dict[str, Json] = {
        "at": instant.dump(seen.at),
        "points": [one.to_json() for one in seen.places],
    }
    if seen.found is Found.UNREAD:
        data |= {"why": seen.why, "in_a_row": _unread_before(incident) + 1}
    index = step.index if step is not None and proposal is not None else None
    entry = log.append(
        action=Event.WORKER_INCIDENT_LOOKED,
        actor=actor.ref,
        object=f"incident:{incident.pk}",
        data={
            **data,
            "found": seen.found,
            "proposal": str(proposal.pk) if proposal else None,
            "step": index,
        },
    )
    return IncidentLook.objects.create(
        incident=incident,
        proposal=proposal,
        step=index,
        found=seen.found,
        data=data,
        actor=actor.ref,
        entry=entry.id,
    )


def _unread_before(incident: Incident) -> int:
    """Return how many looks in a row could not read, up to the newest one since the last move."""
    looks = IncidentLook.objects.filter(incident=incident)
    move = incident.transitions.order_by("-id").first()
    if move is not None:
        looks = looks.filter(recorded_at__gt=move.recorded_at)
    newest = looks.order_by("-id").first()
    return int(newest.data.get("in_a_row", 0)) if newest is not None else 0


def _describe(seen: tuple[SeenPlace, ...]) -> str:
    """Return the reason on record: where access was found, and what is open there."""
    where = [
        one.place + (f" ({', '.join(one.open)})" if one.open else "")
        for one in seen
        if one.found is Found.ACCESS
    ]
    return f"access was found at {'; '.join(where)}"[:2_000]
