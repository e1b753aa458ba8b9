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
    """`open → contained | closed`, `contained → closed`; each state is left once."""

    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=20)
    to_state = models.CharField(max_length=20)
    outcome = models.CharField(max_length=40, blank=True)
    reason = models.TextField(blank=True)
    actor = models.CharField(max_length=200)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "from_state"], name="incident_leaves_a_state_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


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
