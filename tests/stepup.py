"""Sign acts with a software passkey, as stepup.js has a person do (A76)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.conf import settings

from audit.tlog.canonical import Json, encode
from remediation.domain.act import Act, ActStatement
from remediation.domain.gate.signature import Assertion
from remediation.models import Incident, Proposal
from remediation.services.people import stepup
from remediation.services.reporting import correct as corrections
from remediation.services.reporting import incidents
from tests.factories import Person


def proof(someone: Person, act: Act) -> stepup.Proof:
    """Return the person's signature under this act."""
    statement = stepup.start(actor=someone.user, act=act).statement
    return stepup.Proof(statement, signed(someone, statement))


def checked(someone: Person, act: Act) -> stepup.Checked:
    """Return the same, checked by the service: for tests that write the rows themselves."""
    return stepup.check(actor=someone.user, act=act, proof=proof(someone, act))


def signed(someone: Person, statement: ActStatement) -> Assertion:
    return someone.passkey.assertion(statement.challenge(), settings.RP_ID, settings.ORIGIN)


def fields(someone: Person, started: Mapping[str, Any]) -> dict[str, str]:
    """Return the hidden fields of the form after the person used the passkey."""
    statement = ActStatement.parse(started["statement"].encode())
    answer = someone.passkey.authentication(statement.challenge(), settings.RP_ID, settings.ORIGIN)
    return {
        "step_up_statement": started["statement"],
        "step_up_assertion": json.dumps(answer),
    }


def close(someone: Person, incident: Incident, outcome: str, reason: str) -> None:
    """Close the incident as the person whose passkey signs it."""
    act = incidents.closing(incident, outcome, reason)
    incidents.close(
        actor=someone.user,
        incident_id=incident.pk,
        outcome=outcome,
        reason=reason,
        proof=proof(someone, act),
    )


def correct(
    someone: Person, proposal_id: UUID, correction: corrections.Correction, reason: str
) -> UUID:
    """Correct the proposal as the person whose passkey signs it; return the new version's id."""
    proposal = Proposal.objects.get(pk=proposal_id)
    return corrections.correct(
        actor=someone.user,
        proposal_id=proposal_id,
        correction=correction,
        reason=reason,
        proof=proof(someone, corrections.correcting(proposal, correction, reason)),
    )


class Unsigned:
    """What a check that checks nothing returns: the control of A76."""

    data: Json = None

    def use(self, entry: int) -> None:
        """Use nothing up."""


def canonical(statement: Json) -> bytes:
    """Return the bytes that were signed, of a statement that an entry holds."""
    return encode(statement)
