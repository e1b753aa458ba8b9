"""Secrets in evidence: what was found in the bytes, and that bytes were erased."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.incident import Evidence


class EvidenceScan(Fact):
    """Where secrets stand in an artefact, by one version of the detector; never a value.

    ``secrets`` is a list of ``[offset, length, rule]``; without ``whole`` there were more than it
    lists, and nothing of the artefact is shown.
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
    """The bytes with this digest are gone and stay gone; who and why stands in the entry."""

    sha256 = models.CharField(max_length=64, unique=True)

    def __str__(self) -> str:
        return self.sha256
