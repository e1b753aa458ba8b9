"""The worker's answer to a request for another look: all is as it was."""

from __future__ import annotations

from remediation import models as m
from remediation.domain.events import Event
from tests.factories.logins import WORKER, acting, actor_of, entry


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
