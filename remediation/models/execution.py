"""Leases, runs, steps and the freeze."""

from __future__ import annotations

from django.db import models

from remediation.models.base import Fact
from remediation.models.proposal import Proposal


class Lease(models.Model):
    """Who may touch a target now. The one table that the worker may UPDATE: compare-and-set."""

    target = models.CharField(primary_key=True, max_length=300)
    token = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=200, blank=True)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.target} #{self.token}"


class Execution(Fact):
    """The one run of an approved proposal; ``tokens`` are its leases by locator."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="execution")
    tokens = models.JSONField()
    holder = models.CharField(max_length=200)
    # What the gate saw: the evidence file's bytes, replayable offline.
    evidence = models.BinaryField()

    def __str__(self) -> str:
        return f"execution of {self.proposal_id}"


class StepRecord(Fact):
    """One phase of one step; a phase happens once, so a step is started once."""

    execution = models.ForeignKey(Execution, on_delete=models.PROTECT, related_name="steps")
    step = models.PositiveSmallIntegerField()
    phase = models.CharField(max_length=20)
    token = models.BigIntegerField()
    data = models.JSONField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["execution", "step", "phase"], name="step_phase_once"),
            models.CheckConstraint(
                name="step_phase",
                condition=models.Q(
                    phase__in=[
                        "intended",
                        "applied",
                        "verified",
                        "failed",
                        "unknown",
                        "undo_intended",
                        "undone",
                        "undo_failed",
                    ]
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"step {self.step} {self.phase}"


class Halt(Fact):
    """A person stopped this run between two steps; once, and it can only stop."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="halt")
    person = models.UUIDField()
    reason = models.CharField(max_length=500)

    def __str__(self) -> str:
        return f"halt of {self.proposal_id}"


class Freeze(Fact):
    """Stop or resume all execution; the newest row counts."""

    frozen = models.BooleanField()
    reason = models.CharField(max_length=200)
    actor = models.CharField(max_length=200)

    def __str__(self) -> str:
        return "frozen" if self.frozen else "thawed"
