"""Run all checks: machine findings that are independent of the agent's story.

Each check is one pure function of the same input. By theme: `story`, `claims`, `denied`, `place`
(the diagnosis against its evidence), `texts` and
`injection` (the words), `target`, `names`, `siblings`, `use`, `sessions` and `protection` (what
the plan acts on), `telemetry`, `order` (the plan itself), `history` (other proposals). They are
measured by the labelled set in tests/checks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from remediation.domain.checks.budget import MOST, OutOfBudget
from remediation.domain.checks.claims import claim_not_in_evidence
from remediation.domain.checks.denied import denied_told_as_done
from remediation.domain.checks.finding import (
    MAX_BYTES,
    Check,
    Outcome,
    Result,
    body,
    checks_digest,
    parse,
)
from remediation.domain.checks.given import CheckInput, Neighbour, OpenProposal, Rejection
from remediation.domain.checks.history import duplicate_proposal, earlier_rejection
from remediation.domain.checks.injection import addresses_the_reader
from remediation.domain.checks.names import look_alike_names
from remediation.domain.checks.order import containment_order, irreversible
from remediation.domain.checks.place import place_and_time_mismatch
from remediation.domain.checks.precheck import precheck_refused
from remediation.domain.checks.protection import protected_target
from remediation.domain.checks.secrets_in_evidence import secret_in_evidence
from remediation.domain.checks.sessions import sessions_left_open
from remediation.domain.checks.siblings import sibling_credential
from remediation.domain.checks.story import (
    citation_value_not_found,
    claim_without_citation,
    evidence_names_other_identity,
)
from remediation.domain.checks.target import (
    environment_mismatch,
    target_unknown,
    target_unobservable,
)
from remediation.domain.checks.telemetry import telemetry_switched_off
from remediation.domain.checks.texts import hidden_characters
from remediation.domain.checks.unread import not_read
from remediation.domain.checks.use import used_by_production

__all__ = [
    "CHECKS",
    "MAX_BYTES",
    "Check",
    "CheckInput",
    "Neighbour",
    "OpenProposal",
    "Outcome",
    "Rejection",
    "Result",
    "addresses_the_reader",
    "body",
    "checks_digest",
    "citation_value_not_found",
    "claim_not_in_evidence",
    "claim_without_citation",
    "containment_order",
    "denied_told_as_done",
    "duplicate_proposal",
    "earlier_rejection",
    "environment_mismatch",
    "evidence_names_other_identity",
    "hidden_characters",
    "irreversible",
    "look_alike_names",
    "parse",
    "place_and_time_mismatch",
    "precheck_refused",
    "protected_target",
    "run",
    "secret_in_evidence",
    "sessions_left_open",
    "sibling_credential",
    "target_unknown",
    "target_unobservable",
    "telemetry_switched_off",
    "used_by_production",
]

CHECKS: Mapping[str, Callable[[CheckInput], Result]] = {
    check.__name__: check
    for check in (
        evidence_names_other_identity,
        citation_value_not_found,
        claim_without_citation,
        hidden_characters,
        target_unknown,
        target_unobservable,
        earlier_rejection,
        environment_mismatch,
        claim_not_in_evidence,
        denied_told_as_done,
        place_and_time_mismatch,
        addresses_the_reader,
        look_alike_names,
        sibling_credential,
        used_by_production,
        protected_target,
        telemetry_switched_off,
        containment_order,
        irreversible,
        duplicate_proposal,
        secret_in_evidence,
        precheck_refused,
        sessions_left_open,
    )
}


def run(given: CheckInput, *, budget: int = MOST) -> tuple[Check, ...]:
    """Run every check, in the order of CHECKS. Raises nothing for what an agent can send.

    Each check may do `budget` units of work; a check that needs more fails by that name.
    """
    return tuple(_one(name, check, given, budget) for name, check in CHECKS.items())


def _one(name: str, check: Callable[[CheckInput], Result], given: CheckInput, budget: int) -> Check:
    """Run one check. It never passes for what was not looked at (docs/attacks.md A83)."""
    given.budget.begin(budget)
    try:
        given.budget.spend()
        outcome, reason = check(given)
    except OutOfBudget:
        return Check(name, Outcome.FAIL, f"{_NOT_TO_THE_END}: it would take too much work")
    if outcome is Outcome.PASS and given.budget.looked and given.unread:
        number = len(given.unread)
        what = "1 artefact was" if number == 1 else f"{number} artefacts were"
        cited = given.unread & given.cited
        return Check(
            name,
            Outcome.FAIL if cited else Outcome.WARN,
            f"{_NOT_TO_THE_END}: {what} too much to read, {len(cited)} of them cited",
        )
    if outcome is Outcome.PASS and (missing := not_read(given)):
        return Check(name, Outcome.NOT_READ, missing)
    return Check(name, outcome, reason)


_NOT_TO_THE_END = "not checked to the end"
