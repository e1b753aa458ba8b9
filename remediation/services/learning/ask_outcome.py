"""Ask the people concerned how it turned out: at a closure, and a day after an effect.

Each is asked once, and once more after some days without an answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from audit import log
from remediation.domain.events import Event
from remediation.domain.telling import Kind
from remediation.models import OutcomeAnswer, OutcomeQuestion
from remediation.services.actors import Actor
from remediation.services.outbox.tell import tell

# Moments of one turn of the task, and people of one moment; those who decided come first.
MOST, MOST_PEOPLE = 20, 20
# An incident that was closed longer ago was closed before the portal asked.
CLOSED = """
SELECT t.incident_id, NULL::uuid FROM public.remediation_incidenttransition t
 WHERE t.to_state = 'closed' AND t.recorded_at > clock_timestamp() - interval '14 days'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_outcomequestion q
                    WHERE q.incident_id = t.incident_id AND q.proposal_id IS NULL)
 ORDER BY t.id LIMIT %s
"""
# Runs that took effect a day ago.
EFFECT = """
SELECT p.incident_id, p.id FROM public.remediation_transition t
  JOIN public.remediation_proposal p ON p.id = t.proposal_id
 WHERE t.to_state IN ('succeeded', 'stopped')
   AND t.recorded_at BETWEEN clock_timestamp() - interval '14 days'
                         AND clock_timestamp() - interval '1 day'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_outcomequestion q WHERE q.proposal_id = p.id)
 ORDER BY t.id LIMIT %s
"""
# Questions without an answer after three days, that were not repeated.
SILENT = """
SELECT q.incident_id, q.proposal_id, array_agg(q.person ORDER BY q.id)
  FROM public.remediation_outcomequestion q
 WHERE q.time = 1 AND q.recorded_at < clock_timestamp() - interval '3 days'
   AND q.recorded_at > clock_timestamp() - interval '30 days'
   AND NOT EXISTS (SELECT 1 FROM public.remediation_outcomequestion n
                    WHERE n.incident_id = q.incident_id AND n.person = q.person AND n.time = 2
                      AND n.proposal_id IS NOT DISTINCT FROM q.proposal_id)
   AND NOT EXISTS (SELECT 1 FROM public.remediation_outcomeanswer a
                    WHERE a.incident_id = q.incident_id AND a.person = q.person
                      AND a.proposal_id IS NOT DISTINCT FROM q.proposal_id)
 GROUP BY 1, 2 ORDER BY 1, 2 LIMIT %s
"""
# Who decided; owners of directly affected services; leads. Each only while active.
CONCERNED = """
SELECT x.person, min(x.rank) FROM (
  SELECT r.person, 1 AS rank FROM public.remediation_review r
    JOIN public.remediation_proposal p ON p.id = r.proposal_id
   WHERE p.incident_id = %(incident)s AND (%(proposal)s::uuid IS NULL OR p.id = %(proposal)s)
  UNION ALL
  SELECT s.person, 2 FROM remediation.service_right s
    JOIN public.remediation_assessmentservice d ON d.service_id = s.service_id AND d.depth = 1
    JOIN public.remediation_assessment a ON a.id = d.assessment_id
    JOIN public.remediation_proposal p ON p.id = a.proposal_id AND p.round = a.round
   WHERE s.codename = 'review_service' AND p.incident_id = %(incident)s
     AND (%(proposal)s::uuid IS NULL OR p.id = %(proposal)s)
     AND EXISTS (SELECT 1 FROM remediation.entitlement e
                  WHERE e.person = s.person AND e.role = 'service_owner')
  UNION ALL
  SELECT e.person, 3 FROM remediation.entitlement e WHERE e.role = 'lead') AS x
 WHERE EXISTS (SELECT 1 FROM remediation.entitlement e WHERE e.person = x.person AND e.active)
 GROUP BY x.person ORDER BY 2, 1 LIMIT %(most)s
"""


@dataclass(frozen=True)
class Moment:
    """What is asked about, and who is asked."""

    incident: UUID
    proposal: UUID | None
    people: tuple[UUID, ...]
    time: int = 1


def ask_due(*, actor: Actor) -> int:
    """Ask about everything that is due; return how many people were asked."""
    return sum(_ask(moment, actor) for moment in [*_first(), *_again()])


def _first() -> Iterator[Moment]:
    for incident, proposal in [*_rows(CLOSED), *_rows(EFFECT)]:
        people = _concerned(incident, proposal)
        if proposal is None:  # whoever said it about the run is not asked again at the closure
            said = OutcomeAnswer.objects.filter(incident=incident, proposal__isnull=False)
            told = set(said.values_list("person", flat=True))
            people = tuple(one for one in people if one not in told)
        yield Moment(incident, proposal, people)


def _again() -> Iterator[Moment]:
    for incident, proposal, people in _rows(SILENT):
        yield Moment(incident, proposal, tuple(people[:MOST_PEOPLE]), time=2)


def _ask(moment: Moment, actor: Actor) -> int:
    """Record the questions and that people are to be told, in one transaction."""
    if not moment.people:
        return 0
    with transaction.atomic():
        # Two workers at once: the second one waits, and then finds the questions.
        with connection.cursor() as cursor:
            cursor.execute("SELECT remediation.lock_incident_v1(%s)", [moment.incident])
        if _is_asked(moment):
            return 0
        entry = log.append(
            action=Event.WORKER_OUTCOME_ASKED,
            actor=actor.ref,
            object=f"incident:{moment.incident}",
            data={
                "proposal": str(moment.proposal) if moment.proposal else None,
                "people": [str(one) for one in moment.people],
                "time": moment.time,
            },
        )
        for person in moment.people:
            OutcomeQuestion.objects.create(
                incident_id=moment.incident,
                proposal_id=moment.proposal,
                person=person,
                time=moment.time,
                actor=actor.ref,
                entry=entry.id,
            )
        tell(
            Kind.HOW_IT_WENT,
            people=moment.people,
            once=f"outcome:{moment.incident}:{moment.proposal or ''}:{moment.time}",
            incident=moment.incident,
            proposal=moment.proposal,
        )
    return len(moment.people)


def _is_asked(moment: Moment) -> bool:
    return OutcomeQuestion.objects.filter(
        incident=moment.incident,
        proposal=moment.proposal,
        time=moment.time,
        person__in=moment.people,
    ).exists()


def _concerned(incident: UUID, proposal: UUID | None) -> tuple[UUID, ...]:
    given = {"incident": incident, "proposal": proposal, "most": MOST_PEOPLE}
    with connection.cursor() as cursor:
        cursor.execute(CONCERNED, given)
        return tuple(row[0] for row in cursor.fetchall())


def _rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, [MOST])
        return list(cursor.fetchall())
