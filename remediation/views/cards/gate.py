"""What the gate would answer now, as far as the web process can know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext

from remediation.domain.gate.gate import Finding


@dataclass(frozen=True)
class GateRow:
    """One numbered step of the gate; ``outcome`` is pass, fail or later."""

    number: int
    name: str
    outcome: str
    reason: str = ""
    note: str = ""  # the portal's words, shown instead of the reason


def gate_rows(findings: Iterable[Finding], *, decided: int, state: str) -> tuple[GateRow, ...]:
    """The gate's findings; a note stands beside each step that only the worker can judge."""
    rows = []
    for finding in findings:
        outcome = "pass" if finding.result else "fail"
        reason, note = "" if finding.result else _detail(finding), ""
        if finding.name == "signatures" and outcome == "pass":
            note = (
                gettext("by the keys as enrolled; the worker asks its approvers file")
                if decided
                else gettext("none is handed in yet")
            )
            outcome = "pass" if decided else "later"
        if finding.number == 4 and state == "in_review" and _name(finding) == "quorum":
            outcome = "later"
        if finding.number == 7:
            # In every state: only the worker has the log's key and its remembered head.
            outcome = "later"
            note = gettext("The worker proves it, before it runs anything.")
        if finding.name == "drift" and outcome == "pass":
            outcome = "later"
            note = gettext("as pinned; the worker looks again just before the effect")
        rows.append(GateRow(finding.number, finding.name, outcome, "" if note else reason, note))
    return tuple(rows)


def _detail(finding: Finding) -> str:
    return str(getattr(finding.result, "detail", ""))


def _name(finding: Finding) -> str:
    return str(getattr(finding.result, "reason", ""))
