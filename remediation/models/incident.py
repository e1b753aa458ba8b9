"""Incidents, their evidence and diagnoses."""

from __future__ import annotations

import uuid

from django.db import models

from remediation.models.agent import Agent
from remediation.models.base import Fact


class Incident(Fact):
    """An incident on a non-human identity; open until a transition changes that."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    kind = models.CharField(max_length=64)
    title = models.CharField(max_length=200)
    locator = models.CharField(max_length=300)
    external_id = models.CharField(max_length=200, blank=True)
    detected_at = models.DateTimeField()
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)
    # An incident that is reported again after its end becomes a new, linked one.
    earlier = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["kind", "locator"], name="incident_same")]

    def __str__(self) -> str:
        return self.title


class IncidentTransition(Fact):
    """`open ⇄ contained`, either `→ closed`; the guard compares with the newest one."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=20)
    to_state = models.CharField(max_length=20)
    outcome = models.CharField(max_length=40, blank=True)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=200)
    # The run that contained it or gave access back, or the look that a person confirmed or that
    # found access.
    proposal = models.ForeignKey(
        "Proposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    look = models.ForeignKey(
        "IncidentLook", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class IncidentLook(Fact):
    """The worker looked whether the incident's own identity has access, and what it found."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="looks")
    # The step whose effect it looked for; null where no run acted on the identity.
    proposal = models.ForeignKey(
        "Proposal", on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    step = models.PositiveSmallIntegerField(null=True, blank=True)
    found = models.CharField(max_length=20)
    # {"at": …, "points": […]}, and "why" where it could not be read.
    data = models.JSONField()
    actor = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["incident", "-id"], name="look_newest")]
        constraints = [
            models.CheckConstraint(
                name="look_found",
                condition=models.Q(found__in=["without", "access", "unread"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.found}: look {self.pk}"


class IncidentLookRequest(Fact):
    """A person's request that the worker looks at the incident's identity now."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="look_requests")
    person = models.UUIDField()

    def __str__(self) -> str:
        return f"look at {self.incident_id}"


class IncidentNotice(Fact):
    """A mail about an incident that was sent; once for each transition or look."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="notices")
    kind = models.CharField(max_length=20)
    # The id of the transition (`reopened`) or of the look (`unread`).
    about = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "kind", "about"], name="incident_notice_once"
            )
        ]

    def __str__(self) -> str:
        return self.kind


class IncidentReport(Fact):
    """One report of the incident: the first or a later one."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="reports")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)

    def __str__(self) -> str:
        return f"report {self.pk}"


class EvidenceBlob(models.Model):
    """The bytes of artefacts; the only place to erase them on a legal ground."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    content = models.BinaryField()

    def __str__(self) -> str:
        return self.sha256


class Evidence(Fact):
    """An immutable artefact: the digest of submitted bytes, with provenance."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="evidence")
    sha256 = models.CharField(max_length=64)
    size = models.PositiveIntegerField()
    source = models.CharField(max_length=200)
    media_type = models.CharField(max_length=100)
    collected_at = models.DateTimeField()
    attacker_writable = models.BooleanField()
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)

    class Meta:
        verbose_name_plural = "evidence"
        constraints = [models.UniqueConstraint(fields=["incident", "sha256"], name="evidence_once")]

    def __str__(self) -> str:
        return self.sha256


class Diagnosis(Fact):
    """Versioned claims about an incident; ``body`` is canonical JSON."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="diagnoses")
    version = models.PositiveIntegerField()
    body = models.BinaryField()
    digest = models.CharField(max_length=64)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)
    # The person who corrected the agent's diagnosis; this row is the corrected version.
    editor = models.UUIDField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "diagnoses"
        constraints = [
            models.UniqueConstraint(fields=["incident", "version"], name="diagnosis_version")
        ]

    def __str__(self) -> str:
        return f"diagnosis v{self.version}"
