"""Secrets found in evidence, and erasures of evidence."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.incident import Evidence


class EvidenceScan(Fact):
    """The positions of secrets in an artefact, found by one version of the detector; no values.

    ``secrets`` is a list of ``[offset, length, rule]``. If ``whole`` is false, there are more than
    listed, and nothing of the artefact is shown.
    """

    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, related_name="scans")
    detector = models.CharField(max_length=100)
    secrets = models.JSONField()
    whole = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["evidence", "detector"], name="evidence_scanned_once")
        ]

    def __str__(self) -> str:
        return f"{len(self.secrets)} secrets by {self.detector}"


class EvidenceErasure(Fact):
    """The bytes with this digest were erased for good; the entry has the person and reason."""

    sha256 = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.sha256
