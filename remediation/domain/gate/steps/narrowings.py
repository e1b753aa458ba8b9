"""Steps 1 and 3 for narrowings: the plan that is left is narrower, and its author signed it."""

from __future__ import annotations

from datetime import datetime

from remediation.domain.errors import Digest, NotNarrower, Signature
from remediation.domain.gate.case import Case
from remediation.domain.gate.narrowed import Narrowed
from remediation.domain.gate.steps.people import assertion
from remediation.domain.narrowing import why_wider


def narrower(case: Case) -> None:
    """Refuse unless each narrowing was signed over these bodies and only takes effects away."""
    for one in case.narrowings:
        person, statement = one.given.person, one.statement
        if statement.digests != one.given.signed.digests():
            raise Digest(f"{person} narrowed other bodies than those of this evidence")
        if statement.narrowed != one.new.digest:
            raise Digest(f"{person} signed another plan than the narrowed one")
        if one.given.proposal == case.evidence.proposal_id and one.new.digest != case.plan.digest:
            raise Digest(f"{person} narrowed to another plan than this one")
        wider = why_wider(one.old.plan, one.new)
        if wider:
            raise NotNarrower(f"{person}: {wider}")
        if statement.narrowed != one.kept:
            raise Digest(f"{person} signed other steps than those of the narrowed plan")


def narrowing_signatures(case: Case, now: tuple[datetime, ...] = ()) -> None:
    """Verify each narrowing; the key of one that counts must be valid at `now`, too."""
    for one in case.narrowings:
        counts = one in case.counting
        signed(case, one, (one.given.recorded_at, *(now if counts else ())))
        if counts and one.given.recorded_at > case.evidence.approved_at:
            raise Signature(f"{one.given.person}: recorded after the approval that rests on it")


def signed(case: Case, one: Narrowed, instants: tuple[datetime, ...]) -> None:
    """Verify one narrowing with the entries of the approvers file valid at each instant."""
    given, statement = one.given, one.statement
    said = (statement.makes, statement.person, statement.slot)
    if said != (given.proposal, given.person, given.slot):
        raise Signature(f"{given.person}: the narrowing is about {said}")
    assertion(case, given, statement, instants)
