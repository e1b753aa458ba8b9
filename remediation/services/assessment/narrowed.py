"""Say whether a narrowing counts as its author's approval of the round that an assessment opens."""

from __future__ import annotations

from remediation.domain import checks
from remediation.domain.errors import BadInput
from remediation.domain.narrowing import ROUND, Judged, why_not_counted
from remediation.domain.narrowing_statement import NarrowingStatement
from remediation.domain.observation import parse_pin
from remediation.domain.ruling import Ruling
from remediation.domain.scope import Scope
from remediation.models import Assessment, Narrowing, Proposal
from remediation.services.load_plan import read_plan


def counts(proposal: Proposal, now: Judged) -> bool:
    """Return whether the narrowing that made this proposal counts in the round to come.

    It compares recorded bodies and verifies no signature; the gate does both.
    """
    if proposal.round + 1 != ROUND:
        return False
    made = Narrowing.objects.filter(proposal=proposal).select_related("narrows__diagnosis").first()
    if made is None:
        return False
    try:
        then = _judged(made)
    except (BadInput, Assessment.DoesNotExist):
        return False
    return not why_not_counted(then, now, made.slot)


def _judged(made: Narrowing) -> Judged:
    """Return what its author judged."""
    round_ = NarrowingStatement.parse(bytes(made.statement)).round
    seen = Assessment.objects.get(proposal=made.narrows, round=round_)
    return Judged(
        plan=read_plan(bytes(made.narrows.plan)),
        diagnosis=made.narrows.diagnosis.digest,
        scope=Scope.parse(bytes(seen.scope)),
        checks=checks.parse(bytes(seen.checks)),
        ruling=Ruling.parse(bytes(seen.ruling)),
        pinned=parse_pin(bytes(seen.pin)),
    )
