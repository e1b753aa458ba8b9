"""Leases, runs, steps and the freeze."""

from __future__ import annotations

import uuid

from django.db import models

from remediation.models.base import Fact
from remediation.models.proposal import Proposal


class Lease(models.Model):
    """The right to change a target now. The only table that the worker may UPDATE."""

    target = models.CharField(primary_key=True, max_length=300)
    token = models.BigIntegerField(default=0)
    holder = models.CharField(max_length=200, blank=True)
    until = models.DateTimeField()
    # The proposal for which it was claimed last. While that one waits, nobody else gets the target.
    proposal = models.ForeignKey(
        Proposal, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    def __str__(self) -> str:
        return f"{self.target} #{self.token}"


class Execution(Fact):
    """The one run of an approved proposal; ``tokens`` are its leases by locator."""

    proposal = models.OneToOneField(Proposal, on_delete=models.PROTECT, related_name="execution")
    tokens = models.JSONField()
    holder = models.CharField(max_length=200)
    # The gate's input: the bytes of the evidence file, for replay offline.
    evidence = models.BinaryField()

    def __str__(self) -> str:
        return f"execution of {self.proposal_id}"


class StepRecord(Fact):
    """One phase of one step. A phase is unique, so a step is started only once."""

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
                        "unconfirmed",
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


class LateResult(Fact):
    """A result of a step that came after another worker took over the run; changes no state."""

    execution = models.ForeignKey(Execution, on_delete=models.PROTECT, related_name="late")
    step = models.PositiveSmallIntegerField()
    phase = models.CharField(max_length=20)
    token = models.BigIntegerField()
    data = models.JSONField()

    def __str__(self) -> str:
        return f"late: step {self.step} {self.phase}"


class HaltSession(Fact):
    """A statement about one run, composed for one person to sign within five minutes."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    person = models.UUIDField()
    nonce = models.CharField(max_length=64, unique=True)
    statement = models.BinaryField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"session {self.pk}"


class Halt(Fact):
    """A person's signed statement about a run, with the full assertion (domain/halt).

    A run can have several: an invalid statement must not prevent a valid one.
    """

    session = models.OneToOneField(HaltSession, on_delete=models.PROTECT, null=True)
    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="halts")
    person = models.UUIDField()
    reason = models.CharField(max_length=500)
    statement = models.BinaryField()
    credential_id = models.BinaryField()
    authenticator_data = models.BinaryField()
    client_data_json = models.BinaryField()
    signature = models.BinaryField()
    cose_key = models.BinaryField()
    # From the statement; the guard compares. "halt" is version 1.
    decision = models.CharField(max_length=10)

    def __str__(self) -> str:
        return f"{self.decision} of {self.proposal_id}"


class HaltVerdict(Fact):
    """The worker's verification of a halt: valid, or the reason why not."""

    halt = models.OneToOneField(Halt, on_delete=models.PROTECT, related_name="verdict")
    actor = models.CharField(max_length=200)
    refusal = models.CharField(max_length=100, blank=True)
    detail = models.CharField(max_length=500, blank=True)

    @property
    def holds(self) -> bool:
        return not self.refusal

    def __str__(self) -> str:
        return f"{self.refusal or 'holds'}: halt {self.halt_id}"


class Freeze(Fact):
    """A stop or a resumption of all execution; the newest row decides."""

    frozen = models.BooleanField()
    reason = models.CharField(max_length=200)
    actor = models.CharField(max_length=200)

    def __str__(self) -> str:
        return "frozen" if self.frozen else "thawed"
