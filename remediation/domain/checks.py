"""Machine findings beside the agent's story. Each check is one pure function of the same input."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import inert
from remediation.domain.citations import Unreadable, problem_of, read_artefact
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.masking import covered_artefact
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from remediation.domain.report import Citation, Diagnosis
from remediation.domain.scope import Scope
from remediation.domain.secret_check import secrets_said
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 512 * 1024
# A reason is read by a person: it names the first few findings and counts the rest.
_SHOWN = 5


class Outcome(StrEnum):
    PASS = "pass"  # noqa: S105  a finding
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One finding. A fail adds requirements (policy); a warning is only shown."""

    name: str
    outcome: Outcome
    reason: str

    def to_json(self) -> dict[str, Json]:
        return {"name": self.name, "outcome": self.outcome.value, "reason": self.reason}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Check:
        source = Fields(value, at, required=("name", "outcome", "reason"))
        return cls(
            name=source.text("name", 100, least=1),
            outcome=Outcome(source.one_of("outcome", tuple(Outcome))),
            reason=source.text("reason", 20_000),
        )


@dataclass(frozen=True)
class CheckInput:
    """All that checks may look at.

    `evidence` holds the artefacts by SHA-256, `identity_locators` the identities that the
    incident names, `observations` None where the target could not be observed,
    `earlier_rejections` ids of rejected proposals on the same targets; `title` and `rationale`
    are the agent's texts outside plan and diagnosis.
    """

    plan: Plan
    diagnosis: Diagnosis
    evidence: Mapping[str, bytes]
    identity_locators: tuple[str, ...]
    observations: Mapping[str, Observation | None]
    known_locators: frozenset[str]
    scope: Scope
    earlier_rejections: tuple[str, ...] = ()
    title: str = ""
    rationale: str = ""


def run(given: CheckInput) -> tuple[Check, ...]:
    """Run every check, in the order of CHECKS. Raises nothing for what an agent can send."""
    return tuple(
        Check(name, outcome, reason)
        for name, check in CHECKS.items()
        for outcome, reason in (check(given),)
    )


def body(checks: tuple[Check, ...]) -> bytes:
    """Give the canonical record of the findings."""
    return encode({"checks": [check.to_json() for check in checks]})


def parse(raw: bytes) -> tuple[Check, ...]:
    """Read stored findings. Raises BadInput when not canonical or of another shape."""
    source = Fields(parse_json(raw, max_bytes=MAX_BYTES), required=("checks",))
    checks = source.array("checks", Check.from_json, least=1, most=100)
    if body(checks) != raw:
        raise BadValue("the checks are not canonical")
    return checks


def checks_digest(raw: bytes) -> str:
    return digest(Kind.CHECKS, raw)


Result = tuple[Outcome, str]


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
    return _verdict(found, "Incident, diagnosis and cited evidence name the plan's targets.")


def citation_value_not_found(given: CheckInput) -> Result:
    """Every cited value stands at its pointer in the artefact."""
    parsed: dict[str, Json | Unreadable] = {}
    found = []
    for number, citation in _citations(given.diagnosis):
        if citation.evidence not in parsed:
            parsed[citation.evidence] = read_artefact(
                covered_artefact(given.evidence.get(citation.evidence))
            )
        problem = problem_of(parsed[citation.evidence], citation)
        if problem:
            found.append(f"claim {number}, {citation.pointer or 'whole artefact'}: {problem}")
    return _verdict(found, "Every cited value stands where the claim says.")


def claim_without_citation(given: CheckInput) -> Result:
    """There are claims, and each cites something."""
    if not given.diagnosis.claims:
        return Outcome.FAIL, "The diagnosis makes no claim."
    found = [
        f"claim {number} cites nothing"
        for number, claim in enumerate(given.diagnosis.claims, 1)
        if not claim.citations
    ]
    return _verdict(found, "Every claim cites evidence.")


def hidden_characters(given: CheckInput) -> Result:
    """No text of the agent holds characters that show nothing or move others (A01)."""
    found = []
    for where, text in _agent_texts(given):
        names = [
            f"{piece.text[1:-1]} {piece.unseen}" for piece in inert.pieces(text) if piece.unseen
        ]
        if names:
            distinct = list(dict.fromkeys(names))
            found.append(f"{where}: {len(names)} hidden, {', '.join(distinct[:_SHOWN])}")
    return _verdict(found, "No hidden characters in the agent's texts.")


def target_unknown(given: CheckInput) -> Result:
    """Every target is in the inventory."""
    found = [
        f"{target.locator} is not in the inventory"
        for target in given.plan.targets
        if target.locator not in given.known_locators
    ]
    return _verdict(found, "Every target is in the inventory.")


def target_unobservable(given: CheckInput) -> Result:
    """Every target could be observed, and exists."""
    found = []
    for target in given.plan.targets:
        seen = given.observations.get(target.locator)
        if seen is None:
            found.append(f"{target.locator} could not be observed")
        elif not seen.exists:
            found.append(f"{target.locator} does not exist")
    return _verdict(found, "Every target was observed.")


def earlier_rejection(given: CheckInput) -> Result:
    """No earlier proposal on these targets was rejected (A33)."""
    found = [f"proposal {earlier} was rejected" for earlier in given.earlier_rejections]
    return _verdict(found, "No earlier proposal on these targets was rejected.")


def environment_mismatch(given: CheckInput) -> Result:
    """The plan names the environment that the inventory gives its targets."""
    known = {target.locator: target.environment for target in given.scope.targets if target.known}
    found = [
        f"{target.locator} is in {known[target.locator]}, the plan says {given.plan.environment}"
        for target in given.plan.targets
        if known.get(target.locator, given.plan.environment) != given.plan.environment
    ]
    if found:
        return _verdict(found, "")
    missing = [t.locator for t in given.plan.targets if t.locator not in known]
    if missing:
        return Outcome.WARN, f"The environment of {', '.join(missing[:_SHOWN])} is not known."
    return Outcome.PASS, "The inventory places every target in the plan's environment."


def secret_in_evidence(given: CheckInput) -> Result:
    """No artefact holds a secret; where one does, pages cover it (A61)."""
    said = secrets_said(given.evidence)
    return (Outcome.WARN, said) if said else (Outcome.PASS, "No secret in the evidence.")


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
        secret_in_evidence,
    )
}


def _verdict(found: list[str], passed: str) -> Result:
    if not found:
        return Outcome.PASS, passed
    rest = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return Outcome.FAIL, "; ".join(found[:_SHOWN]) + rest


def _citations(diagnosis: Diagnosis) -> Iterator[tuple[int, Citation]]:
    for number, claim in enumerate(diagnosis.claims, 1):
        for citation in claim.citations:
            yield number, citation


def _cited_texts(given: CheckInput) -> Iterator[str]:
    """The text of each artefact that a claim cites. A cited value alone is the agent's word."""
    for sha256 in {citation.evidence for _, citation in _citations(given.diagnosis)}:
        if sha256 in given.evidence:
            yield given.evidence[sha256].decode(errors="replace")


def _names(text: str, value: str) -> bool:
    """Whether the value stands in the text as a word of its own, not as part of a longer one."""
    return re.search(rf"(?<![\w$-]){re.escape(value)}(?![\w$-])", text) is not None


def _agent_texts(given: CheckInput) -> Iterator[tuple[str, str]]:
    yield "title", given.title
    yield "rationale", given.rationale
    yield "summary", given.diagnosis.summary
    for name, value in given.diagnosis.identity.fields.items():
        yield f"diagnosis identity {name}", value
    for number, claim in enumerate(given.diagnosis.claims, 1):
        yield f"claim {number}", claim.text
    for number, citation in _citations(given.diagnosis):
        yield f"claim {number}, cited pointer", citation.pointer
        if isinstance(citation.value, str):
            yield f"claim {number}, cited value", citation.value
    for step in given.plan.steps:
        for name, text in _texts_in({**step.target.to_json(), **step.parameters}):
            yield f"step {step.index + 1}, {name}", text


def _texts_in(value: Json, at: str = "") -> Iterator[tuple[str, str]]:
    """Every text in a JSON value, keys too, each with its pointer."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts_in(item, f"{at}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{at} (key)", key
            yield from _texts_in(item, f"{at}/{key}")
