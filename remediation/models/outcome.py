"""How incidents and runs turned out: who was asked, and what people answered."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.incident import Incident
from remediation.models.proposal import Proposal


class OutcomeQuestion(Fact):
    """The worker asks a person how it turned out; at most twice for one moment."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="questions")
    # The run whose effect is asked about; null when the incident was closed.
    proposal = models.ForeignKey(
        Proposal, on_delete=models.PROTECT, null=True, blank=True, related_name="questions"
    )
    person = models.UUIDField()
    time = models.PositiveSmallIntegerField()
    actor = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "proposal", "person", "time"],
                name="outcome_asked_once",
                nulls_distinct=False,
            ),
            models.CheckConstraint(
                name="outcome_asked_twice_at_most", condition=models.Q(time__in=[1, 2])
            ),
        ]

    def __str__(self) -> str:
        return f"question {self.time} about {self.incident_id}"


class OutcomeAnswer(Fact):
    """What a person who was asked says, once for each moment: words of domain/retrospect.py."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="answers")
    proposal = models.ForeignKey(
        Proposal, on_delete=models.PROTECT, null=True, blank=True, related_name="answers"
    )
    person = models.UUIDField()
    diagnosis = models.CharField(max_length=20)
    scope = models.CharField(max_length=20)
    action = models.CharField(max_length=20)
    # What was not visible at the time; secrets are masked.
    unseen = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "proposal", "person"],
                name="outcome_answered_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"answer about {self.incident_id}"
