"""The machine's own findings, beside what the agent says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext_lazy

from remediation.domain import checks

# What each check asserts; a check without a title here is shown by its name.
TITLES = {
    "evidence_names_other_identity": gettext_lazy("The evidence is about the target"),
    "citation_value_not_found": gettext_lazy("Cited values stand in the evidence"),
    "claim_without_citation": gettext_lazy("Each claim cites evidence"),
    "hidden_characters": gettext_lazy("No hidden characters"),
    "precheck_refused": gettext_lazy("The executor would take it"),
    "secret_in_evidence": gettext_lazy("No secrets in the evidence"),
    "target_unknown": gettext_lazy("The inventory knows the target"),
    "target_unobservable": gettext_lazy("The target was observed"),
    "earlier_rejection": gettext_lazy("No earlier rejection"),
    "environment_mismatch": gettext_lazy("The environment agrees"),
    "claim_not_in_evidence": gettext_lazy("The evidence holds what claims name"),
    "denied_told_as_done": gettext_lazy("What was denied is told as denied"),
    "place_and_time_mismatch": gettext_lazy("Account, region and times agree"),
    "addresses_the_reader": gettext_lazy("Nothing speaks to its reader"),
    "look_alike_names": gettext_lazy("No look-alike is meant"),
    "sibling_credential": gettext_lazy("No second key or member keeps access"),
    "used_by_production": gettext_lazy("Not in use by others within the hour"),
    "protected_target": gettext_lazy("The target is not protected"),
    "telemetry_switched_off": gettext_lazy("Logs and detectors stayed on"),
    "containment_order": gettext_lazy("The steps are in the right order"),
    "irreversible": gettext_lazy("Each step can be undone"),
    "duplicate_proposal": gettext_lazy("No other open proposal acts on it"),
}


_WORST_FIRST = {"fail": 0, "warn": 1, "pass": 2}


@dataclass(frozen=True)
class CheckRow:
    name: str
    title: str
    outcome: str
    reason: str


def check_rows(found: Iterable[checks.Check]) -> tuple[CheckRow, ...]:
    """The checks, worst first; equal ones in the worker's order."""
    rows = [
        CheckRow(
            name=check.name,
            title=str(TITLES.get(check.name, check.name.replace("_", " "))),
            outcome=check.outcome.value,
            reason=check.reason,
        )
        for check in found
    ]
    return tuple(sorted(rows, key=lambda row: _WORST_FIRST[row.outcome]))


def tally(rows: Iterable[CheckRow]) -> tuple[tuple[str, int], ...]:
    """How many checks have each outcome, worst first."""
    counts = Counter(row.outcome for row in rows)
    return tuple((word, counts[word]) for word in _WORST_FIRST)
