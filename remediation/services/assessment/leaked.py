"""The secrets in an incident's evidence, as candidates to compare with the one in force.

Their values stay in this process. What is recorded has artefact, place and rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate

from remediation.domain.secrets.compared import Spot
from remediation.domain.secrets.forms import forms
from remediation.executors.base import Candidate
from remediation.models import EvidenceBlob, Incident
from remediation.services.reporting import secrets

# Different values that are compared, places that are recorded, and bytes that are read, the oldest
# artefacts first: so later ones cannot displace earlier ones.
MOST_CANDIDATES, MOST_SPOTS = 200, 400
MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Leaked:
    """The candidates of an incident, the places of each, and how many places were left out."""

    candidates: tuple[Candidate, ...] = field(default=(), repr=False)
    spots: tuple[tuple[Spot, ...], ...] = ()
    left_out: int = 0


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


def _rule(spots: list[Spot]) -> str:
    """Return the rule by which an executor decides: one of a value's rules, the vaguest last."""
    return min(spots, key=lambda one: (one.rule == "repeated_secret", one.rule)).rule
