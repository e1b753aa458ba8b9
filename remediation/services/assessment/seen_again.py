"""Keep a round whose second look found all that people sign as it was (docs/attacks.md A76).

Else whoever may ask for a look could void others' approvals again and again.
"""

from __future__ import annotations

from dataclasses import dataclass

from audit import log
from remediation.domain.digest import Kind, digest
from remediation.domain.events import Event
from remediation.domain.states import ProposalState
from remediation.models import Assessment, Proposal, SeenAgain
from remediation.services.access import authorize
from remediation.services.actors import Actor
from remediation.services.guards import translated


@dataclass(frozen=True)
class Bodies:
    """What an assessment records, as canonical bytes. All but `observation` must be equal."""

    pin: bytes
    scope: bytes
    checks: bytes
    facts: bytes
    ruling: bytes
    observation: bytes


def kept(actor: Actor, proposal: Proposal, now: Bodies) -> Assessment | None:
    """Record that the round goes on, and return its assessment; None if anything differs.

    Call it in a transaction that locked the proposal.
    """
    then = authorize.newest(proposal)
    if proposal.state != ProposalState.IN_REVIEW or then is None or not _same(then, now):
        return None
    entry = log.append(
        action=Event.WORKER_PROPOSAL_SEEN_AGAIN,
        actor=actor.ref,
        object=f"proposal:{proposal.pk}",
        data={
            "round": proposal.round,
            "pin": then.pin_digest,
            "observation": digest(Kind.OBSERVATION, now.observation),
        },
    )
    with translated():
        SeenAgain.objects.create(
            proposal=proposal, round=proposal.round, observation=now.observation, entry=entry.id
        )
    return then


def _same(then: Assessment, now: Bodies) -> bool:
    names = ("pin", "scope", "checks", "facts", "ruling")
    return all(bytes(getattr(then, name)) == getattr(now, name) for name in names)
