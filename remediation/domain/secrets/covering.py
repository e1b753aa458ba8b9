"""Secrets taken out of what is shown and of what is stored for ever.

Bytes of evidence keep their secrets in the one place from which they can be erased; a page shows
them with each secret covered. The agent's own texts go into records that nobody can change, so a
secret is covered there before anything is kept (docs/attacks.md A61).
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from remediation.domain.plan import Target
from remediation.domain.report import Citation, Claim, Diagnosis, Report, parse_diagnosis
from remediation.domain.secrets import detector
from remediation.domain.secrets.detector import Found, Looked
from remediation.domain.strict import escape

# Eight characters, as the shortest secret that is looked for elsewhere: no text grows by it.
MASK = "[masked]"
_SHORTEST = len(MASK)
# A value this long is no word of the language, whatever it is made of.
_LONG = 16


@dataclass(frozen=True)
class Part:
    """A run of an artefact's bytes as they are, or one secret when ``rule`` names it."""

    content: bytes
    rule: str = ""


def parts(content: bytes, found: Found) -> tuple[Part, ...]:
    """Cut an artefact at its secrets; together the parts are the whole of it."""
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
    """The artefact with each secret replaced by the mask; JSON stays JSON."""
    mask = MASK.encode()
    return b"".join(mask if part.rule else part.content for part in parts(content, found))


def names_of(targets: Iterable[Target]) -> frozenset[str]:
    """What a plan or a diagnosis names, when the inventory knows it: never covered, wherever an
    intruder wrote it, since people decide by these names (docs/attacks.md A60)."""
    return frozenset(
        name for target in targets for name in (target.locator, *target.fields.values())
    )


def values(content: bytes, spared: Collection[str] = ()) -> frozenset[str]:
    """The secrets of an artefact, as a text may quote them."""
    return quotable(detector.look(content, spared), spared)


def quotable(looked: Looked, spared: Collection[str] = ()) -> frozenset[str]:
    """Short plain words are left out: where the password is "postgres", every sentence about that
    database would be covered."""
    quoted = set()
    for value in looked.values:
        quoted |= {value, value.replace("\\/", "/"), value.replace("\\n", "\n"), _decoded(value)}
    return frozenset(value for value in quoted if _is_telling(value) and value not in spared)


def _decoded(value: str) -> str:
    """What a value says that is base64, as in a secret of Kubernetes; empty otherwise."""
    try:
        return base64.b64decode(value, validate=True).decode("ascii")
    except ValueError:
        return ""


def _is_telling(value: str) -> bool:
    plain = value.isalpha() and (value.islower() or value.isupper() or value.istitle())
    return len(value) >= (_LONG if plain else _SHORTEST)


def covered(text: str, known: Collection[str] = ()) -> str:
    """``text`` with the known secrets in it, and what looks like one by itself, replaced."""
    for value in sorted((one for one in known if one in text), key=len, reverse=True):
        text = text.replace(value, MASK)
    content = text.encode("utf-8", "surrogatepass")
    found = detector.find(content)
    if not found.whole:
        return MASK
    return masked(content, found).decode("utf-8", "surrogatepass") if found else text


def pointer_covered(pointer: str, known: Collection[str] = ()) -> str:
    """A JSON pointer with each of its keys covered; they are looked at as they were written."""
    tokens = (token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/"))
    return "/".join(escape(covered(token, known)) for token in tokens)


@dataclass(frozen=True)
class Searched:
    """A report whose artefacts were searched for secrets; its texts are still as they came."""

    report: Report
    looked: Mapping[str, Looked]
    secrets: frozenset[str] = field(repr=False)

    @property
    def external_id(self) -> str:
        """The agent's name of the incident, covered: an incident is kept, and found, by it."""
        return covered(self.report.incident.external_id, self.secrets)


@dataclass(frozen=True)
class Covered:
    """A report as it may be kept, and what was found in its artefacts by SHA-256."""

    report: Report
    found: Mapping[str, Found]


def searched(report: Report, spared: Collection[str] = ()) -> Searched:
    """Search the artefacts of a report. ``spared`` are those names of its identity and plan that
    the inventory knows."""
    looked = {one.sha256: detector.look(one.content, spared) for one in report.evidence}
    secrets = frozenset[str]().union(*(quotable(one, spared) for one in looked.values()))
    return Searched(report, looked, secrets)


def report_covered(searched: Searched, known: Collection[str] = ()) -> Covered:
    """Cover every text of the agent, once: with what the report's own artefacts give away, and
    with ``known``, the secrets that the incident's earlier evidence holds. Artefacts stay.

    Identity and plan stay: they name what is acted on, in forms of their own, and are what runs.
    """
    report, secrets = searched.report, searched.secrets | frozenset(known)
    found = {
        one.sha256: detector.with_known(one.content, searched.looked[one.sha256].found, secrets)
        for one in report.evidence
    }
    texts = "\0".join(_texts(report))
    return Covered(texts_covered(report, detector.standing_in(texts, secrets)), found)


def texts_covered(report: Report, known: Collection[str]) -> Report:
    """The report with the known secrets, and what looks like one, covered in every text."""
    return replace(
        report,
        incident=replace(
            report.incident,
            title=covered(report.incident.title, known),
            external_id=covered(report.incident.external_id, known),
        ),
        evidence=tuple(replace(a, source=covered(a.source, known)) for a in report.evidence),
        diagnosis=diagnosis_covered(report.diagnosis, known),
        rationale=covered(report.rationale, known),
    )


def diagnosis_covered(diagnosis: Diagnosis, known: Collection[str] = ()) -> Diagnosis:
    """The diagnosis with its texts covered; the same object when nothing had to be."""
    claims = tuple(
        Claim(covered(claim.text, known), tuple(_citation(c, known) for c in claim.citations))
        for claim in diagnosis.claims
    )
    summary = covered(diagnosis.summary, known)
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
        allow_test=True,  # whether this identity may be named was decided when it was read first
    )


def _citation(citation: Citation, known: Collection[str]) -> Citation:
    value = citation.value
    return replace(
        citation,
        pointer=pointer_covered(citation.pointer, known),
        value=covered(value, known) if isinstance(value, str) else value,
    )


def targets_of(report: Report) -> tuple[Target, ...]:
    """All that a report names as what happened to, or is acted on."""
    planned = report.plan.targets if report.plan else ()
    return (report.incident.identity, report.diagnosis.identity, *planned)


def _texts(report: Report) -> Iterable[str]:
    yield report.incident.title
    yield report.incident.external_id
    yield report.rationale
    yield from (artefact.source for artefact in report.evidence)
    yield report.diagnosis.summary
    for claim in report.diagnosis.claims:
        yield claim.text
        for citation in claim.citations:
            yield citation.pointer
            if isinstance(citation.value, str):
                yield citation.value
