"""Read what the rulings of assessments ask for, for whole lists in few queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.db.models import F

from remediation.domain.errors import BadInput
from remediation.domain.ruling import Ruling
from remediation.domain.slots import OWNERS, Asked, Owner
from remediation.models import Assessment, AssessmentService, Service


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
    owners = {assessment.pk: owners_in(assessment) for assessment in found}
    ids = _ids({name for every in owners.values() for owner in every for name in owner.services})
    return {
        assessment.pk: Asked(
            tuple(assessment.slots),
            frozenset(direct[assessment.pk]),
            {
                owner.slot: frozenset(ids[name] for name in owner.services if name in ids)
                for owner in owners[assessment.pk]
            },
        )
        for assessment in found
    }


def owners_in(assessment: Assessment) -> tuple[Owner, ...]:
    """Return whom the owners' slots of the ruling ask; parses the ruling only if it has any.

    A ruling that cannot be read asks nobody, so that no one can fill those slots.
    """
    return owners_of(assessment.slots, bytes(assessment.ruling))


def owners_of(slots: Collection[str], ruling: bytes | memoryview | None) -> tuple[Owner, ...]:
    """Return the same for a list that has read only these columns."""
    if ruling is None or not set(slots) & set(OWNERS):
        return ()
    try:
        return Ruling.parse(bytes(ruling)).owners
    except BadInput:
        return ()


def _ids(names: Collection[str]) -> dict[str, int]:
    if not names:
        return {}
    return dict(Service.objects.filter(name__in=list(names)).values_list("name", "pk"))
