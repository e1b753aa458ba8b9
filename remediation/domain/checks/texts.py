"""Check the agent's texts for hidden characters."""

from __future__ import annotations

from collections.abc import Iterator

from audit.tlog.canonical import Json
from remediation.domain import inert
from remediation.domain.checks.budget import SPLIT
from remediation.domain.checks.finding import SHOWN, Result, verdict
from remediation.domain.checks.given import CheckInput
from remediation.domain.checks.story import citations


def hidden_characters(given: CheckInput) -> Result:
    """Check that the agent's texts contain no invisible or reordering characters (A01)."""
    found = []
    for where, text in agent_texts(given):
        given.budget.spend(len(text) // SPLIT + 1)
        names = [
            f"{piece.text[1:-1]} {piece.unseen}" for piece in inert.pieces(text) if piece.unseen
        ]
        if names:
            distinct = list(dict.fromkeys(names))
            found.append(f"{where}: {len(names)} hidden, {', '.join(distinct[:SHOWN])}")
    return verdict(found, "No hidden characters in the agent's texts.")


def agent_texts(given: CheckInput) -> Iterator[tuple[str, str]]:
    """Yield each text that the agent wrote, with its place in words."""
    yield "title", given.title
    yield "rationale", given.rationale
    yield "summary", given.diagnosis.summary
    for name, value in given.diagnosis.identity.fields.items():
        yield f"diagnosis identity {name}", value
    for number, claim in enumerate(given.diagnosis.claims, 1):
        yield f"claim {number}", claim.text
    for number, citation in citations(given.diagnosis):
        yield f"claim {number}, cited pointer", citation.pointer
        if isinstance(citation.value, str):
            yield f"claim {number}, cited value", citation.value
    for step in given.plan.steps:
        for name, text in texts_in({**step.target.to_json(), **step.parameters}):
            yield f"step {step.index + 1}, {name}", text


def texts_in(value: Json, at: str = "") -> Iterator[tuple[str, str]]:
    """Yield every text and key in a JSON value with its pointer."""
    if isinstance(value, str):
        yield at, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from texts_in(item, f"{at}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield f"{at} (key)", key
            yield from texts_in(item, f"{at}/{key}")
