"""The secrets in an incident's evidence, as candidates to compare with the one in force.

Their values stay in this process. What is recorded has artefact, place and rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

from audit.tlog.canonical import Json, encode
from remediation.domain.fields import Fields
from remediation.domain.live import MAX_BYTES
from remediation.domain.secrets.forms import forms
from remediation.domain.strict import parse as parse_json
from remediation.executors.base import Candidate, Compared
from remediation.models import EvidenceBlob, Incident
from remediation.services.reporting import secrets

# Different values that are compared, places that are recorded, and bytes that are read, the oldest
# artefacts first: so later ones cannot displace earlier ones.
MOST_CANDIDATES, MOST_SPOTS = 200, 400
MOST_BYTES = 32 * 1024 * 1024
YES, NO, UNKNOWN = "yes", "no", "unknown"
_ANSWERS = {True: YES, False: NO, None: UNKNOWN}


@dataclass(frozen=True)
class Spot:
    """The place of a secret in an artefact."""

    sha256: str
    offset: int
    length: int
    rule: str


@dataclass(frozen=True)
class Leaked:
    """The candidates of an incident, the places of each, and how many places were left out."""

    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    spots: tuple[tuple[Spot, ...], ...] = ()
    left_out: int = 0


@dataclass(frozen=True)
class Checked:
    """A recorded comparison: the answer for each place."""

    at: str
    place: str
    why: str
    answers: tuple[tuple[Spot, str], ...]
    left_out: int


def find(incident: Incident) -> Leaked:
    """Return the secrets that the detector found in the incident's stored artefacts."""
    rows = list(incident.evidence.order_by("pk"))
    found = secrets.found_in(rows)
    holding = [row for row in rows if found.get(row.sha256)]
    sums = accumulate(row.size for row in holding)
    read = [row for row, size in zip(holding, sums, strict=True) if size <= MOST_BYTES]
    left = sum(len(found[row.sha256].secrets) for row in holding[len(read) :])
    by_value: dict[tuple[str, ...], list[Spot]] = {}
    count = 0
    for row in read:
        blob = EvidenceBlob.objects.filter(pk=row.sha256).first()
        content = bytes(blob.content) if blob is not None else b""
        for one in found[row.sha256].secrets if blob is not None else ():
            value = forms(content[one.offset : one.end])
            if count >= MOST_SPOTS or (value not in by_value and len(by_value) >= MOST_CANDIDATES):
                left += 1
                continue
            spot = Spot(row.sha256, one.offset, one.length, one.rule)
            by_value.setdefault(value, []).append(spot)
            count += 1
        left += 0 if found[row.sha256].whole else 1
    return Leaked(
        tuple(Candidate(value, _rule(spots)) for value, spots in by_value.items()),
        tuple(tuple(spots) for spots in by_value.values()),
        left,
    )


def verdict(compared: Compared) -> str:
    """Return "yes" if one is in force, "no" if none of those that can be compared is."""
    if True in compared.answers:
        return YES
    told = False in compared.answers and (not compared.why or None not in compared.answers)
    return NO if told else UNKNOWN


def body(found: Leaked, compared: Compared, at: str) -> bytes:
    """Return what is recorded, as canonical JSON."""
    by_artefact: dict[str, list[Json]] = {}
    for spots, answer in zip(found.spots, compared.answers, strict=True):
        for one in spots:
            by_artefact.setdefault(one.sha256, []).append(
                [one.offset, one.length, one.rule, _ANSWERS[answer]]
            )
    value: dict[str, Json] = {
        "at": at,
        "place": compared.place[:300],
        "why": compared.why[:500],
        "artefacts": {sha256: rows for sha256, rows in by_artefact.items()},
        "left_out": found.left_out,
    }
    return encode(value)


def parse(recorded: bytes) -> Checked:
    """Read a recorded comparison. Raises BadInput."""
    source = Fields(
        parse_json(recorded, max_bytes=MAX_BYTES),
        "",
        required=("at", "place", "why", "artefacts", "left_out"),
    )
    answers: list[tuple[Spot, str]] = []
    for sha256, rows in source.mapping("artefacts").items():
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, list) and len(row) == 4:
                offset, length, rule, answer = row
                spot = Spot(sha256, int(str(offset)), int(str(length)), str(rule))
                answers.append((spot, str(answer)))
    return Checked(
        source.text("at", 40),
        source.text("place", 300),
        source.text("why", 500),
        tuple(answers),
        source.integer("left_out", 0, 2**31),
    )


def _rule(spots: list[Spot]) -> str:
    """Return the rule by which an executor decides: one of a value's rules, the vaguest last."""
    return min(spots, key=lambda one: (one.rule == "repeated_secret", one.rule)).rule
