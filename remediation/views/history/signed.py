"""Verify again who signed a review, with which passkey, and what the signature covers."""

from __future__ import annotations

from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadInput, SignatureInvalid
from remediation.domain.gate.signature import Assertion, verify
from remediation.domain.statement import Statement
from remediation.models import PasskeyEnrolment, Review
from remediation.views.cards.reviews import review_row
from remediation.views.history.page import Signed
from remediation.views.names import Names


def signed_of(row: Review) -> Signed:
    """Verify the signature of a review again; return the result."""
    names = Names([row.person])
    key = bytes(row.cose_key)
    enrolled = PasskeyEnrolment.objects.filter(credential_id=bytes(row.credential_id)).first()
    own = enrolled is not None and (enrolled.person, bytes(enrolled.cose_key)) == (row.person, key)
    statement = bytes(row.statement)
    return Signed(
        row=review_row(row, names, counts=True),
        person=names.person(row.person),
        fingerprint=enrolled.fingerprint if enrolled else "",
        enrolled_at=enrolled.recorded_at if enrolled else None,
        own_key=own,
        problem=_problem(row, key),
        statement=statement.decode(errors="backslashreplace"),
        digest=digest(Kind.STATEMENT, statement),
        client_data=bytes(row.client_data_json).decode(errors="backslashreplace"),
        entry=row.entry,
        at=row.recorded_at,
        composed_at=row.session.recorded_at,
    )


def statement_of(row: Review) -> Statement | None:
    """Return the signed statement; None when it is unreadable or about another review."""
    try:
        statement = Statement.parse(bytes(row.statement))
    except BadInput:
        return None
    stated = (statement.proposal, statement.round, statement.person, statement.slot)
    recorded = (str(row.proposal_id), row.round, str(row.person), row.slot)
    return statement if stated == recorded and statement.decision == row.decision else None


def _problem(row: Review, key: bytes) -> str:
    """Return why the signature is not valid; empty when it is."""
    statement = statement_of(row)
    if statement is None:
        return "the stored statement cannot be read, or is about another review"
    given = Assertion(
        bytes(row.credential_id),
        bytes(row.authenticator_data),
        bytes(row.client_data_json),
        bytes(row.signature),
    )
    try:
        verify(
            given,
            challenge=statement.challenge(),
            cose_key=key,
            rp_id=statement.rp_id,
            origin=statement.origin,
        )
    except SignatureInvalid as error:
        return error.detail or error.message
    return ""
