"""Find public breaches of the same pattern as an incident, by what the worker recorded of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources

from remediation.domain import checks, patterns
from remediation.domain.errors import BadInput
from remediation.domain.patterns import OF_CHECKS, Breach, Similar
from remediation.models import Assessment, AssessmentService, EvidenceScan, Incident, SecretCheck


@cache
def breaches() -> tuple[Breach, ...]:
    """Return the shipped breaches."""
    return patterns.load((resources.files(patterns) / "breaches.json").read_bytes())


def to(incident: Incident) -> tuple[Similar, ...]:
    """Return the breaches that share most with the incident; reads only."""
    provider = incident.locator.partition(".")[0]
    return patterns.similar(provider, frozenset(_features(incident)), breaches())


def _features(incident: Incident) -> Iterator[str]:
    newest = Assessment.objects.filter(proposal__incident=incident).order_by("-pk").first()
    if newest is not None:
        yield from _of_checks(newest)
        services = AssessmentService.objects.filter(assessment=newest, depth=1)
        if services.count() > 1:
            yield "unknown_consumers"
    if SecretCheck.objects.filter(request__incident=incident, in_force="yes").exists():
        yield "still_valid_after_notice"
    scans = EvidenceScan.objects.filter(evidence__incident=incident)
    if scans.exclude(secrets=[]).exists():
        yield "leaked_in_code"


def _of_checks(assessment: Assessment) -> Iterator[str]:
    try:
        found = checks.parse(bytes(assessment.checks))
    except BadInput:
        return
    for check in found:
        if check.outcome is not checks.Outcome.PASS and check.name in OF_CHECKS:
            yield OF_CHECKS[check.name]
