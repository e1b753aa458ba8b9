"""A person's request for another look, and the worker's answer that all is as it was."""

from __future__ import annotations

from remediation import models as m
from remediation.domain.events import Event
from tests.factories.logins import WEB, WORKER, acting, actor_of, entry
from tests.factories.people import Person


def observe_again(proposal: m.Proposal, who: Person) -> m.ObservationRequest:
    proposal.refresh_from_db()
    with acting(WEB):
        return m.ObservationRequest.objects.create(
            proposal=proposal,
            round=proposal.round,
            person=who.id,
            entry=entry(Event.PERSON_OBSERVATION_ASKED, who.actor, f"proposal:{proposal.pk}"),
        )


def seen_again(proposal: m.Proposal, *, login: str = WORKER) -> m.SeenAgain:
    proposal.refresh_from_db()
    newest = m.Assessment.objects.get(proposal=proposal, round=proposal.round)
    about = f"proposal:{proposal.pk}"
    with acting(login):
        return m.SeenAgain.objects.create(
            proposal=proposal,
            round=proposal.round,
            observation=bytes(newest.observation),
            entry=entry(Event.WORKER_PROPOSAL_SEEN_AGAIN, actor_of(login), about),
        )
