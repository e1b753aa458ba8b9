"""The worker's assessments of proposals, one row per round."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.proposal import Proposal


class Assessment(Fact):
    """Observation, pin, scope, checks, facts and ruling as canonical JSON bytes.

    A trigger fills the columns from ``slots`` on from the ruling's bytes, so they always match
    what people sign.
    """

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="assessments")
    round = models.PositiveIntegerField()
    observation = models.BinaryField()
    pin = models.BinaryField()
    scope = models.BinaryField()
    checks = models.BinaryField()
    facts = models.BinaryField()
    ruling = models.BinaryField()
    pin_digest = models.CharField(max_length=64, editable=False, default="")
    scope_digest = models.CharField(max_length=64, editable=False, default="")
    checks_digest = models.CharField(max_length=64, editable=False, default="")
    ruling_digest = models.CharField(max_length=64, editable=False, default="")
    slots = models.JSONField(editable=False, default=list)
    risk = models.CharField(max_length=20, editable=False, default="")
    decide_by = models.DateTimeField(editable=False, null=True)
    run_within_s = models.PositiveIntegerField(editable=False, default=0)
    # The newest equal look of its round, 0 for none: `authorize.newest` sets it; else None.
    look: int | None = None
    # Whether the narrowing that made the proposal is an approval in this round (domain/narrowing).
    narrowing_counts = models.BooleanField(editable=False, default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "round"], name="assessment_round")
        ]

    def __str__(self) -> str:
        return f"assessment of {self.proposal_id}, round {self.round}"


class AssessmentService(models.Model):
    """The services in an assessment's scope, for rights and search."""

    assessment = models.ForeignKey(Assessment, on_delete=models.PROTECT, related_name="services")
    service_id = models.BigIntegerField(db_index=True)
    depth = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["assessment", "service_id"], name="assessment_service")
        ]

    def __str__(self) -> str:
        return f"service {self.service_id}"
