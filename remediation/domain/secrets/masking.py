"""Mask secrets in what is shown and in what is stored for ever.

The bytes of evidence keep their secrets in one place, where they can be erased; pages show them
masked. The agent's texts go into immutable records, so their secrets are masked before anything is
stored (docs/attacks.md A61).
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from remediation.domain.plan import Target
from remediation.domain.report import Citation, Claim, Diagnosis, Report, parse_diagnosis
from remediation.domain.secrets import detector
from remediation.domain.secrets.detector import Found, Looked
from remediation.domain.secrets.several import Known, Span, TooMany
from remediation.domain.strict import escape

# Eight characters, like the shortest secret that is searched elsewhere, so masking adds no length.
MASK = "[masked]"
_SHORTEST = len(MASK)
# A value of this length is not an ordinary word, even if it has only letters.
_LONG = 16


@dataclass(frozen=True)
class Part:
    """A run of an artefact's bytes; a secret if ``rule`` is set."""

    content: bytes
    rule: str = ""


def parts(content: bytes, found: Found) -> tuple[Part, ...]:
    """Split an artefact at its secrets; together the parts are the whole artefact."""
    if not found.whole:
        return (Part(content, "too_many"),)
    cut, at = [], 0
    for secret in found.secrets:
        if secret.offset > at:
            cut.append(Part(content[at : secret.offset]))
        cut.append(Part(content[secret.offset : secret.end], secret.rule))
        at = secret.end
    if at < len(content):
        cut.append(Part(content[at:]))
    return tuple(cut)


def masked(content: bytes, found: Found) -> bytes:
    """Return the artefact with each secret replaced by the mask; JSON stays JSON."""
    mask = MASK.encode()
    return b"".join(mask if part.rule else part.content for part in parts(content, found))


def names_of(targets: Iterable[Target]) -> frozenset[str]:
    """Return the names of targets and identities, to exempt them if the inventory has them.

    People decide by these names, so an intruder must not get them masked by writing them into a
    password field (docs/attacks.md A60).
    """
    return frozenset(
        name for target in targets for name in (target.locator, *target.fields.values())
    )


def values(content: bytes, exempt: Collection[str] = ()) -> frozenset[str]:
    """Return the secrets of an artefact in the forms in which a text may quote them."""
    return quotable(detector.look(content, exempt), exempt)


def quotable(looked: Looked, exempt: Collection[str] = ()) -> frozenset[str]:
    """Return the forms in which a text may quote the secrets, without short plain words.

    If the password is "postgres", every sentence about that database would be masked otherwise.
    """
    quoted = set()
    for value in looked.values:
        quoted |= {value, value.replace("\\/", "/"), value.replace("\\n", "\n"), _decoded(value)}
    return frozenset(value for value in quoted if _is_telling(value) and value not in exempt)


def _decoded(value: str) -> str:
    """Return the text in a base64 value, as in a Kubernetes secret; "" for any other value."""
    try:
        return base64.b64decode(value, validate=True).decode("ascii")
    except ValueError:
        return ""


def _is_telling(value: str) -> bool:
    plain = value.isalpha() and (value.islower() or value.isupper() or value.istitle())
    return len(value) >= (_LONG if plain else _SHORTEST)


def mask_text(text: str, known: Collection[str] | Known = ()) -> str:
    """Return the text with the known secrets, and detected ones, masked.

    If there are too many to search for, the whole text is masked. For several texts, give the
    secrets as one `Known`: then they are prepared once.
    """
    try:
        text = _covered(text, Known.of(known).in_texts.spans(text))
    except TooMany:
        return MASK
    content = text.encode("utf-8", "surrogatepass")
    found = detector.find(content)
    if not found.whole:
        return MASK
    return masked(content, found).decode("utf-8", "surrogatepass") if found else text


def _covered(text: str, spans: Iterable[Span]) -> str:
    kept, at = list[str](), 0
    for start, end in spans:
        kept += text[at:start], MASK
        at = end
    return "".join((*kept, text[at:]))


def mask_pointer(pointer: str, known: Collection[str] | Known = ()) -> str:
    """Return the JSON pointer with secrets in its unescaped keys masked."""
    known = Known.of(known)
    tokens = (token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/"))
    return "/".join(escape(mask_text(token, known)) for token in tokens)


@dataclass(frozen=True)
class Searched:
    """A report whose artefacts were searched for secrets; its texts are not masked yet."""

    report: Report
    looked: Mapping[str, Looked]
    secrets: frozenset[str] = field(repr=False)

    @property
    def external_id(self) -> str:
        """Return the agent's id of the incident, masked; incidents are stored and found by it."""
        return mask_text(self.report.incident.external_id, self.secrets)


@dataclass(frozen=True)
class Masked:
    """A report with its texts masked, ready to store, and the findings per artefact (SHA-256)."""

    report: Report
    found: Mapping[str, Found]


def searched(report: Report, exempt: Collection[str] = ()) -> Searched:
    """Search the artefacts of a report for secrets.

    ``exempt`` are the exempt names: those of its identity and plan that the inventory has.
    """
    looked = {one.sha256: detector.look(one.content, exempt) for one in report.evidence}
    secrets = frozenset[str]().union(*(quotable(one, exempt) for one in looked.values()))
    return Searched(report, looked, secrets)


def mask_report(searched: Searched, known: Collection[str] = ()) -> Masked:
    """Mask the secrets in every text of the agent.

    Masks secrets of the report's own artefacts, and ``known`` secrets of the incident's earlier
    evidence. Artefacts are unchanged, and so are identity and plan: they have strict forms of their
    own, and the plan is what runs.
    """
    report, secrets = searched.report, Known(searched.secrets | frozenset(known))
    found = {
        one.sha256: detector.with_known(one.content, searched.looked[one.sha256].found, secrets)
        for one in report.evidence
    }
    return Masked(mask_texts(report, secrets), found)


def mask_texts(report: Report, known: Collection[str] | Known) -> Report:
    """Return the report with known and detected secrets masked in every text."""
    known = Known.of(known)
    return replace(
        report,
        incident=replace(
            report.incident,
            title=mask_text(report.incident.title, known),
            external_id=mask_text(report.incident.external_id, known),
        ),
        evidence=tuple(replace(a, source=mask_text(a.source, known)) for a in report.evidence),
        diagnosis=mask_diagnosis(report.diagnosis, known),
        rationale=mask_text(report.rationale, known),
        alternatives=tuple(
            replace(one, rationale=mask_text(one.rationale, known)) for one in report.alternatives
        ),
    )


def mask_diagnosis(diagnosis: Diagnosis, known: Collection[str] | Known = ()) -> Diagnosis:
    """Return the diagnosis with its texts masked; the same object if nothing changes."""
    known = Known.of(known)
    claims = tuple(
        Claim(mask_text(claim.text, known), tuple(_citation(c, known) for c in claim.citations))
        for claim in diagnosis.claims
    )
    summary = mask_text(diagnosis.summary, known)
    if (summary, claims) == (diagnosis.summary, diagnosis.claims):
        return diagnosis
    return parse_diagnosis(
        {
            "summary": summary,
            "identity": diagnosis.identity.to_json(),
            "confidence": diagnosis.confidence,
            "claims": [claim.to_json() for claim in claims],
        },
        "/diagnosis",
        allow_test=True,  # whether test kinds are allowed was decided at the first parsing
    )


def _citation(citation: Citation, known: Known) -> Citation:
    value = citation.value
    return replace(
        citation,
        pointer=mask_pointer(citation.pointer, known),
        value=mask_text(value, known) if isinstance(value, str) else value,
    )


def targets_of(report: Report) -> tuple[Target, ...]:
    """Return the identities of incident and diagnosis, and the plan's targets."""
    planned = (target for plan in report.plans for target in plan.targets)
    return (report.incident.identity, report.diagnosis.identity, *planned)
