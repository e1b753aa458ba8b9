"""Conditions of an approval besides the verdicts: cited artefacts opened, target names typed.

They only prevent hasty approvals. The gate relies on signatures alone: nothing can prove that a
person looked.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from remediation.domain import inert
from remediation.domain.catalogue.locators import escape
from remediation.domain.checks import Check, Outcome
from remediation.domain.errors import EvidenceNotOpened, NameNotTyped
from remediation.domain.plan import Plan, Target
from remediation.domain.report import Diagnosis
from remediation.domain.ruling import Risk


@dataclass(frozen=True)
class Conditions:
    """Artefacts (SHA-256) to open, and names to type, in the order of the plan's targets."""

    artefacts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def check(self, opened: Iterable[str], typed: Iterable[str]) -> None:
        """Raise EvidenceNotOpened or NameNotTyped, which say what is missing."""
        had = set(opened)
        missing = [sha256 for sha256 in self.artefacts if sha256 not in had]
        if missing:
            raise EvidenceNotOpened(f"{len(missing)} of {len(self.artefacts)} were not opened")
        if tuple(typed) != self.names and self.names:
            raise NameNotTyped("type " + ", then ".join(self.names))


def to_type(target: Target) -> str:
    """Return what a person types for a target: its distinguishing name.

    The comparison is exact, because it exists to catch names that only look alike. A name that
    a keyboard or a browser would change (line breaks, invisible characters, spaces at an end or in
    a row, letters and marks that are not composed) is typed as its locator writes it; so is one
    with "%", which could be read as written that way.
    """
    name = target.distinguishing
    kept = unicodedata.normalize("NFC", name) == name == " ".join(name.split())
    return name if kept and inert.line(name) == name and "%" not in name else escape(name)


def names_of(plan: Plan) -> tuple[str, ...]:
    """Return what a person types for a plan: the name of each target once, in order."""
    targets = {target.locator: target for target in plan.targets}
    return tuple(to_type(target) for target in targets.values())


def asked(plan: Plan, diagnosis: Diagnosis, checks: Iterable[Check], risk: str) -> Conditions:
    """Return the conditions for an approval of this plan.

    After a failed check: open every artefact that the diagnosis cites. At the highest risk: type
    the name that distinguishes each target.
    """
    cited = [c.evidence for claim in diagnosis.claims for c in claim.citations]
    failed = any(check.outcome is Outcome.FAIL for check in checks)
    return Conditions(
        artefacts=tuple(dict.fromkeys(cited)) if failed else (),
        names=names_of(plan) if risk == Risk.CRITICAL else (),
    )
