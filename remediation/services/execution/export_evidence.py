"""Export the gate evidence of a run, so that it can be replayed elsewhere."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain.errors import NoSuchObject
from remediation.domain.events import Event
from remediation.models import Execution, Resumption
from remediation.services.actors import Actor
from remediation.services.people import accounts


@transaction.atomic
def export(*, actor: Actor, proposal_id: UUID, after: int | None = None) -> bytes:
    """Record the export and return the evidence file, byte for byte as the worker stored it.

    ``after``: the step after which the run waited; then the evidence by which it went on. Raises
    NotEntitled, and NoSuchObject for a proposal that was never executed or did not go on there.
    """
    accounts.require(actor)
    evidence = _first(proposal_id) if after is None else _resumed(proposal_id, after)
    log.append(
        action=Event.OPERATOR_EVIDENCE_EXPORTED,
        actor=actor.ref,
        object=f"proposal:{proposal_id}",
        data={"sha256": sha256(evidence).hexdigest()},
    )
    return evidence


def _first(proposal_id: UUID) -> bytes:
    execution = Execution.objects.filter(proposal_id=proposal_id).first()
    if execution is None:
        raise NoSuchObject(f"proposal {proposal_id} was not executed")
    return bytes(execution.evidence)


def _resumed(proposal_id: UUID, after: int) -> bytes:
    rows = Resumption.objects.filter(wait__execution__proposal=proposal_id, wait__step=after)
    found = rows.first()
    if found is None:
        raise NoSuchObject(f"proposal {proposal_id} did not go on after step {after + 1}")
    return bytes(found.evidence)
