"""Compare the agent's story with its own evidence: citations and targets."""

from __future__ import annotations

from collections.abc import Iterator

from remediation.domain.checks.budget import FIND
from remediation.domain.checks.finding import Outcome, Result, shown, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.skeleton import stands_in
from remediation.domain.citations import Stored, problem_of, read_artefact
from remediation.domain.report import Citation, Diagnosis


def evidence_names_other_identity(given: CheckInput) -> Result:
    """Check that incident, diagnosis and cited evidence name the plan's targets."""
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
        f"no cited evidence names {shown(target.distinguishing)} of {locator}"
        for locator, target in targets.items()
        if not any(_stands_in(given, target.distinguishing, text) for text in texts)
    ]
    return verdict(found, "Incident, diagnosis and cited evidence name the plan's targets.")


def citation_value_not_found(given: CheckInput) -> Result:
    """Check that every cited value is at its pointer in the artefact."""
    missing = read_artefact(None)
    stored = Stored(given.evidence.get, lambda: given.secrets)
    found = []
    for number, citation in citations(given.diagnosis):
        given.look(len(citation.pointer))
        problem = problem_of(given.documents.get(citation.evidence, missing), citation)
        if problem and not stored.holds(citation):
            found.append(f"claim {number}, {citation.pointer or 'whole artefact'}: {problem}")
    return verdict(found, "Every cited value stands where the claim says.")


def claim_without_citation(given: CheckInput) -> Result:
    """Check that there are claims and that each cites evidence."""
    if not given.diagnosis.claims:
        return Outcome.FAIL, "The diagnosis makes no claim."
    given.budget.spend(len(given.diagnosis.claims))
    found = [
        f"claim {number} cites nothing"
        for number, claim in enumerate(given.diagnosis.claims, 1)
        if not claim.citations
    ]
    return verdict(found, "Every claim cites evidence.")


def citations(diagnosis: Diagnosis) -> Iterator[tuple[int, Citation]]:
    """Yield each citation with the number of its claim."""
    for number, claim in enumerate(diagnosis.claims, 1):
        for citation in claim.citations:
            yield number, citation


def _stands_in(given: CheckInput, name: str, text: str) -> bool:
    given.look(len(text) // FIND + 1)
    return stands_in(name, text)


def _cited_texts(given: CheckInput) -> Iterator[str]:
    """Yield the text of each cited artefact; a cited value alone is only the agent's statement.

    Also its values: in JSON, quotes, backslashes and letters of a name may be escaped.
    """
    for sha256 in given.cited:
        if sha256 in given.evidence:
            yield given.evidence[sha256].decode(errors="replace")
            yield given.texts[sha256]
