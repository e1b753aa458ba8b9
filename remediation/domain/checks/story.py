"""The agent's story against its own evidence: does each citation hold, is it about the target?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from remediation.domain.checks.finding import Outcome, Result, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.citations import Stored, problem_of, read_artefact
from remediation.domain.report import Citation, Diagnosis


def evidence_names_other_identity(given: CheckInput) -> Result:
    """The plan's targets are the identities that incident, diagnosis and cited evidence name."""
    targets = {target.locator: target for target in given.plan.targets}
    found = [
        f"{who} is about {locator}, which the plan does not touch"
        for who, locators in (
            ("the incident", given.identity_locators),
            ("the diagnosis", (given.diagnosis.identity.locator,)),
        )
        for locator in locators
        if locator not in targets
    ]
    texts = list(_cited_texts(given))
    found += [
        f"no cited evidence names {target.distinguishing} of {locator}"
        for locator, target in targets.items()
        if not any(_names(text, target.distinguishing) for text in texts)
    ]
    return verdict(found, "Incident, diagnosis and cited evidence name the plan's targets.")


def citation_value_not_found(given: CheckInput) -> Result:
    """Every cited value stands at its pointer in the artefact."""
    missing = read_artefact(None)
    stored = Stored(given.evidence.get, lambda: given.secrets)
    found = []
    for number, citation in citations(given.diagnosis):
        problem = problem_of(given.documents.get(citation.evidence, missing), citation)
        if problem and not stored.holds(citation):
            found.append(f"claim {number}, {citation.pointer or 'whole artefact'}: {problem}")
    return verdict(found, "Every cited value stands where the claim says.")


def claim_without_citation(given: CheckInput) -> Result:
    """There are claims, and each cites something."""
    if not given.diagnosis.claims:
        return Outcome.FAIL, "The diagnosis makes no claim."
    found = [
        f"claim {number} cites nothing"
        for number, claim in enumerate(given.diagnosis.claims, 1)
        if not claim.citations
    ]
    return verdict(found, "Every claim cites evidence.")


def citations(diagnosis: Diagnosis) -> Iterator[tuple[int, Citation]]:
    """Each citation with the number of its claim."""
    for number, claim in enumerate(diagnosis.claims, 1):
        for citation in claim.citations:
            yield number, citation


def _cited_texts(given: CheckInput) -> Iterator[str]:
    """The text of each artefact that a claim cites. A cited value alone is the agent's word."""
    for sha256 in given.cited:
        if sha256 in given.evidence:
            yield given.evidence[sha256].decode(errors="replace")


def _names(text: str, value: str) -> bool:
    """Whether the value stands in the text as a word of its own, not as part of a longer one."""
    return re.search(rf"(?<![\w$-]){re.escape(value)}(?![\w$-])", text) is not None
