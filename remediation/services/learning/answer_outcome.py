"""Record how it turned out, as a person who was asked says it."""

from __future__ import annotations

from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.retrospect import MOST_UNSEEN, Answer
from remediation.domain.secrets import masking
from remediation.models import Incident, OutcomeAnswer, OutcomeQuestion, User
from remediation.services.access import visibility
from remediation.services.guards import translated
from remediation.services.reporting import secrets


def answer(
    *, actor: User, incident_id: UUID, proposal_id: UUID | None, said: Answer, unseen: str
) -> None:
    """Record one answer; secrets in `unseen` are masked.

    Raises NoSuchObject, NotEntitled for a person who was not asked, BadValue, and WrongState for a
    second answer.
    """
    with transaction.atomic():
        incident = visibility.visible_incidents(actor).filter(pk=incident_id).first()
        if incident is None:
            raise errors.NoSuchObject()
        if question(actor, incident, proposal_id) is None:
            raise errors.NotEntitled("only people who were asked and did not answer yet")
        if not said.is_valid or len(unseen) > MOST_UNSEEN:
            raise errors.BadValue(
                f"choose one of the words, and write at most {MOST_UNSEEN} characters"
            )
        unseen = masking.mask_text(" ".join(unseen.split()), secrets.known_values(incident))
        words = {"diagnosis": said.diagnosis, "scope": said.scope, "action": said.action}
        entry = log.append(
            action=Event.PERSON_OUTCOME_ANSWERED,
            actor=actor.actor,
            object=f"incident:{incident_id}",
            data={**words, "unseen": unseen, "proposal": str(proposal_id) if proposal_id else None},
        )
        with translated():
            OutcomeAnswer.objects.create(
                incident=incident,
                proposal_id=proposal_id,
                person=actor.person,
                **words,
                unseen=unseen,
                entry=entry.id,
            )


def question(
    actor: User, incident: Incident, proposal_id: UUID | None = None
) -> OutcomeQuestion | None:
    """Return the question about this moment that the person has not answered."""
    asked = OutcomeQuestion.objects.filter(
        incident=incident, proposal=proposal_id, person=actor.person
    ).first()
    answered = OutcomeAnswer.objects.filter(
        incident=incident, proposal=proposal_id, person=actor.person
    ).exists()
    return None if answered else asked
