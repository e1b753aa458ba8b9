"""Machine findings beside the agent's story. Each check is one pure function of the same input.

By theme: `story` and `claims` (the diagnosis against its evidence), `texts` and `injection` (the
words), `target`, `names`, `siblings`, `use` and `protection` (what the plan acts on), `telemetry`,
`order` (the plan itself), `history` (other proposals).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from remediation.domain.checks.history import earlier_rejection
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
from remediation.domain.checks.texts import hidden_characters

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
    "body",
    "checks_digest",
    "citation_value_not_found",
    "claim_without_citation",
    "environment_mismatch",
    "evidence_names_other_identity",
    "hidden_characters",
    "parse",
    "run",
    "target_unknown",
    "target_unobservable",
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
    )
}


def run(given: CheckInput) -> tuple[Check, ...]:
    """Run every check, in the order of CHECKS. Raises nothing for what an agent can send."""
    return tuple(
        Check(name, outcome, reason)
        for name, check in CHECKS.items()
        for outcome, reason in (check(given),)
    )
