"""Preview the gate's answer, as far as the web process can know it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils.translation import gettext, gettext_lazy

from remediation.domain.gate.finding import Finding

# What each of the seven steps asks, in a reader's words.
TITLES = {
    1: gettext_lazy("Content unchanged since it was signed"),
    2: gettext_lazy("Rules met"),
    3: gettext_lazy("Signatures valid"),
    4: gettext_lazy("Enough approvers, none of whom took part"),
    5: gettext_lazy("Approvers may decide here, and it is not too old"),
    6: gettext_lazy("Target unchanged"),
    7: gettext_lazy("Everything logged"),
}


@dataclass(frozen=True)
class GateRow:
    """One numbered step of the gate; ``outcome`` is pass, fail or later."""

    number: int
    title: str
    outcome: str
    reason: str = ""
    note: str = ""  # the portal's words, shown instead of the reason


def gate_rows(findings: Iterable[Finding], *, decided: int, state: str) -> tuple[GateRow, ...]:
    """Return the gate's findings, with a note on each step that only the worker can decide."""
    rows = []
    for finding in findings:
        outcome = "pass" if finding.result else "fail"
        reason, note = "" if finding.result else _detail(finding), ""
        if finding.name == "signatures" and outcome == "pass":
            note = (
                gettext("verified with the enrolled keys; the worker uses its approvers file")
                if decided
                else gettext("no signature yet")
            )
            outcome = "pass" if decided else "later"
        if finding.number == 4 and state == "in_review" and _name(finding) == "quorum":
            outcome = "later"
        if finding.number == 7:
            # In every state: only the worker has the log's key and its last known head.
            outcome = "later"
            note = gettext("The worker verifies this before it runs anything.")
        if finding.name == "drift" and outcome == "pass":
            outcome = "later"
            note = gettext("as pinned; the worker reads the target again just before the step")
        title = str(TITLES[finding.number])
        rows.append(GateRow(finding.number, title, outcome, "" if note else reason, note))
    return tuple(rows)


def _detail(finding: Finding) -> str:
    return str(getattr(finding.result, "detail", ""))


def _name(finding: Finding) -> str:
    return str(getattr(finding.result, "reason", ""))
