"""Export the gate evidence of a run, so that it can be replayed elsewhere."""

from __future__ import annotations

from hashlib import sha256
from uuid import UUID

from django.db import transaction

from audit import log
from remediation.domain.errors import NoSuchObject
from remediation.domain.events import Event
from remediation.models import Execution
from remediation.services.actors import Actor
from remediation.services.people import accounts


@transaction.atomic
def export(*, actor: Actor, proposal_id: UUID) -> bytes:
    """Record the export and return the evidence file, byte for byte as the worker stored it.

    Raises NotEntitled, and NoSuchObject for a proposal that was never executed.
    """
    accounts.require(actor)
    execution = Execution.objects.filter(proposal_id=proposal_id).first()
    if execution is None:
        raise NoSuchObject(f"proposal {proposal_id} was not executed")
    evidence = bytes(execution.evidence)
    log.append(
        action=Event.OPERATOR_EVIDENCE_EXPORTED,
        actor=actor.ref,
        object=f"proposal:{proposal_id}",
        data={"sha256": sha256(evidence).hexdigest()},
    )
    return evidence
