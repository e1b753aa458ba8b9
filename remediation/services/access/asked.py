"""Read what the rulings of assessments ask for, for whole lists in few queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db.models import F

from remediation.domain.slots import Asked
from remediation.models import Assessment, AssessmentService


def asked_by(assessment: Assessment) -> Asked[int]:
    """Return what the assessment's ruling asks for; services by id."""
    return asked_by_all([assessment])[assessment.pk]


def asked_in_review(proposals: Collection[UUID]) -> dict[UUID, Asked[int]]:
    """Return what the present round of each of these proposals asks for; of those in review."""
    current = list(
        Assessment.objects.filter(
            proposal__in=list(proposals), round=F("proposal__round"), proposal__state="in_review"
        )
    )
    found = asked_by_all(current)
    return {assessment.proposal_id: found[assessment.pk] for assessment in current}


def asked_by_all(assessments: Iterable[Assessment]) -> dict[int, Asked[int]]:
    """Return what each assessment's ruling asks for, by the assessment's id."""
    found = list(assessments)
    direct: dict[int, set[int]] = {assessment.pk: set() for assessment in found}
    rows = AssessmentService.objects.filter(assessment__in=list(direct), depth=1)
    for assessment_id, service_id in rows.values_list("assessment_id", "service_id"):
        direct[assessment_id].add(service_id)
    return {
        assessment.pk: Asked(tuple(assessment.slots), frozenset(direct[assessment.pk]))
        for assessment in found
    }
