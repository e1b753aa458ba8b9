"""Page data of the checks: findings of the worker, independent of the agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext, gettext_lazy

from remediation.domain import checks
from remediation.views.cards.folding import Folded, fold

# Titles of passed checks: what is the case. A check without a title is shown by its name.
TITLES = {
    "evidence_names_other_identity": gettext_lazy("The evidence is about the target"),
    "citation_value_not_found": gettext_lazy("Cited values are in the evidence"),
    "claim_without_citation": gettext_lazy("Each claim cites evidence"),
    "hidden_characters": gettext_lazy("No hidden characters"),
    "precheck_refused": gettext_lazy("The executor would accept the plan"),
    "secret_in_evidence": gettext_lazy("No secrets in the evidence"),
    "target_unknown": gettext_lazy("The target is in the inventory"),
    "target_unobservable": gettext_lazy("The worker read the target"),
    "earlier_rejection": gettext_lazy("No earlier rejection"),
    "environment_mismatch": gettext_lazy("The environment matches the inventory"),
    "claim_not_in_evidence": gettext_lazy("The evidence contains what the claims name"),
    "denied_told_as_done": gettext_lazy("Claims say which calls were denied"),
    "place_and_time_mismatch": gettext_lazy("Account, region and times agree"),
    "addresses_the_reader": gettext_lazy("No sign of prompt injection"),
    "look_alike_names": gettext_lazy("The evidence names the exact target"),
    "sibling_credential": gettext_lazy("No second key or member keeps access"),
    "used_by_production": gettext_lazy("Not used by others in the last hour"),
    "protected_target": gettext_lazy("The target is not protected"),
    "telemetry_switched_off": gettext_lazy("Logs and detectors stayed on"),
    "containment_order": gettext_lazy("The steps are in the right order"),
    "irreversible": gettext_lazy("Each step is reversible"),
    "duplicate_proposal": gettext_lazy("No other open proposal acts on the target"),
    "sessions_left_open": gettext_lazy("Nothing that was seen open outlives the plan"),
}
# Titles of checks that failed or warn. Each one is true for both outcomes.
TITLES_FAILED = {
    "evidence_names_other_identity": gettext_lazy(
        "Plan, incident and evidence name different identities"
    ),
    "citation_value_not_found": gettext_lazy("Cited values are not in the evidence"),
    "claim_without_citation": gettext_lazy("A claim is missing or cites no evidence"),
    "hidden_characters": gettext_lazy("The agent's texts contain hidden characters"),
    "precheck_refused": gettext_lazy("The executor would refuse a step"),
    "secret_in_evidence": gettext_lazy("The evidence contains secrets (masked here)"),
    "target_unknown": gettext_lazy("Target is not in the inventory"),
    "target_unobservable": gettext_lazy("Target does not exist or could not be read"),
    "earlier_rejection": gettext_lazy("An earlier proposal on this target was rejected"),
    "environment_mismatch": gettext_lazy("Environment differs from the inventory or is unknown"),
    "claim_not_in_evidence": gettext_lazy("Claims name what the cited evidence does not contain"),
    "denied_told_as_done": gettext_lazy("A claim does not say that a call was denied"),
    "place_and_time_mismatch": gettext_lazy("Account, region or times do not agree"),
    "addresses_the_reader": gettext_lazy("Possible prompt injection, or text that was not checked"),
    "look_alike_names": gettext_lazy("A similar name can be confused with the target"),
    "sibling_credential": gettext_lazy("A second key or member keeps access"),
    "used_by_production": gettext_lazy("The target may be in use in production"),
    "protected_target": gettext_lazy("A target is protected"),
    "telemetry_switched_off": gettext_lazy("Logging was switched off during the incident"),
    "containment_order": gettext_lazy("The steps do not follow the order of a containment"),
    "irreversible": gettext_lazy("A step is not reversible"),
    "duplicate_proposal": gettext_lazy("Another open proposal acts on the target"),
    "sessions_left_open": gettext_lazy("Open sessions may outlive the plan"),
}


_WORST_FIRST = {"fail": 0, "warn": 1, "not_read": 2, "pass": 3}


@dataclass(frozen=True)
class CheckRow:
    name: str
    title: str
    outcome: str
    reason: str

    @property
    def folded(self) -> Folded:
        """Return the reason with the beginning that is shown first."""
        return fold(self.reason, 80, 2)


def check_rows(found: Iterable[checks.Check]) -> tuple[CheckRow, ...]:
    """Return the checks, worst first; equal ones in the worker's order."""
    rows = [
        CheckRow(
            name=check.name,
            title=_title(check),
            outcome=check.outcome.value,
            reason=check.reason,
        )
        for check in found
    ]
    return tuple(sorted(rows, key=lambda row: _WORST_FIRST[row.outcome]))


def _title(check: checks.Check) -> str:
    told = check.outcome in (checks.Outcome.WARN, checks.Outcome.FAIL)
    titles = TITLES_FAILED if told else TITLES
    title = str(titles.get(check.name, check.name.replace("_", " ")))
    if check.outcome is checks.Outcome.NOT_READ:
        return gettext("Not checked: %(title)s") % {"title": title}
    return title


def tally(rows: Iterable[CheckRow]) -> tuple[tuple[str, int], ...]:
    """Count the checks of each outcome, worst first."""
    counts = Counter(row.outcome for row in rows)
    return tuple((word, counts[word]) for word in _WORST_FIRST)
