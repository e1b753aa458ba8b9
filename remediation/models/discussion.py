"""Who works on an incident, and what people say and ask about it."""

from __future__ import annotations

from django.contrib.postgres.fields import ArrayField
from django.db import models

from remediation.models.base import Fact
from remediation.models.incident import Incident


class IncidentAssignment(Fact):
    """The incident is assigned to a person, or to nobody; the newest row counts."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="assignments")
    # Null: whoever had it gave it up.
    person = models.UUIDField(null=True, blank=True)
    # The newest assignment when this one was made; the guard compares (compare and set).
    replaces = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    actor = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["incident", "-id"], name="assignment_newest")]

    def __str__(self) -> str:
        return f"assignment {self.pk}"


class IncidentComment(Fact):
    """What a person says about an incident or one of its proposals, perhaps as a question."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="comments")
    # The proposal that it is about; null for the incident as a whole.
    proposal = models.ForeignKey(
        "Proposal", on_delete=models.PROTECT, null=True, blank=True, related_name="comments"
    )
    person = models.UUIDField()
    text = models.TextField()
    # The people who are asked, by their opaque ids; empty for a plain comment.
    asked = ArrayField(models.UUIDField())

    class Meta:
        indexes = [models.Index(fields=["proposal"], name="comment_proposal")]

    def __str__(self) -> str:
        return f"comment {self.pk}"
