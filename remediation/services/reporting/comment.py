"""Comment on an incident or one of its proposals, perhaps as a question to named people.

A comment decides nothing: a proposal stays where it is, and an agent cannot read it. A closed
incident still takes comments, since questions about its end belong on its record.
"""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain import errors
from remediation.domain.events import Event
from remediation.domain.secrets import masking
from remediation.models import Incident, IncidentComment, Proposal, User
from remediation.services.access import visibility
from remediation.services.guards import translated
from remediation.services.reporting import secrets
from remediation.services.reporting.viewers import viewers

MOST_TEXT, MOST_ASKED = 4_000, 20
# The mask may be longer than the secret that it hides; the guard has the same number.
MOST_RECORDED = 16_000


def comment(
    *,
    actor: User,
    incident_id: UUID,
    text: str,
    asked: Collection[UUID] = (),
    proposal_id: UUID | None = None,
) -> IncidentComment:
    """Put a comment on record, with secrets masked.

    ``asked`` are people who may see what it is about. Raises NoSuchObject, BadValue, TooLarge,
    NotEntitled.
    """
    with transaction.atomic():
        incident, proposal = _about(actor, incident_id, proposal_id)
        people = sorted(set(asked))
        _refuse_people(actor, people, incident_id, proposal_id)
        if len(text) > MOST_TEXT:
            raise errors.TooLarge(f"a comment has at most {MOST_TEXT:,} characters")
        # A person may quote a secret, and nobody can change the record later (A61).
        text = masking.mask_text(text.strip(), secrets.known_values(incident))
        if not text or "\0" in text or len(text) > MOST_RECORDED:
            raise errors.BadValue("write something")
        entry = log.append(
            action=Event.PERSON_INCIDENT_COMMENTED,
            actor=actor.actor,
            object=f"incident:{incident_id}",
            data={
                "text": text,
                "asked": [str(person) for person in people],
                "proposal": str(proposal_id) if proposal_id else None,
            },
        )
        with translated():
            return IncidentComment.objects.create(
                incident=incident,
                proposal=proposal,
                person=actor.person,
                text=text,
                asked=people,
                entry=entry.id,
            )


def _about(
    actor: User, incident_id: UUID, proposal_id: UUID | None
) -> tuple[Incident, Proposal | None]:
    """Return what the comment is about, if the person may see it. Raises NoSuchObject."""
    incident = visibility.visible_incidents(actor).filter(pk=incident_id).first()
    if incident is None:
        raise errors.NoSuchObject()
    if proposal_id is None:
        return incident, None
    seen = visibility.visible_proposals(actor).filter(pk=proposal_id, incident=incident).first()
    if seen is None:
        raise errors.NoSuchObject()
    return incident, seen


def _refuse_people(
    actor: User, people: Collection[UUID], incident_id: UUID, proposal_id: UUID | None
) -> None:
    if len(people) > MOST_ASKED:
        raise errors.TooLarge(f"at most {MOST_ASKED} people can be asked at once")
    if actor.person in people:
        raise errors.BadValue("you cannot ask yourself")
    if not set(people) <= viewers(incident_id, proposal_id):
        raise errors.NotEntitled("somebody who is asked may not see what the question is about")
