"""Proposals, the transitions that move them, and the outbox rows that wake the worker."""

from __future__ import annotations

import uuid

from django.db import models

from remediation.models.agent import Agent, AgentToken
from remediation.models.base import Fact
from remediation.models.incident import Diagnosis, Incident


class Proposal(Fact):
    """One immutable plan for one incident. Only ``state`` and ``round`` change, and only by the
    trigger that runs when a :class:`Transition` is inserted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="proposals")
    diagnosis = models.ForeignKey(Diagnosis, on_delete=models.PROTECT)
    plan = models.BinaryField()
    plan_digest = models.CharField(max_length=64)
    rationale = models.TextField(blank=True)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)
    token = models.ForeignKey(AgentToken, on_delete=models.PROTECT)
    # The person who edited the plan; then the agent and token are those of the one superseded.
    editor = models.UUIDField(null=True, blank=True)
    supersedes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True)
    # The run that this plan undoes exactly: then a person proposed it, and the agent is not asked.
    reverses = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversals"
    )
    state = models.CharField(max_length=20, default="submitted")
    round = models.PositiveIntegerField(default=0)

    class Meta:
        indexes = [
            models.Index(fields=["state", "recorded_at"], name="proposal_state"),
            models.Index(fields=["agent", "-recorded_at"], name="proposal_agent"),
        ]

    def __str__(self) -> str:
        return f"proposal {str(self.pk)[:8]}"


class ProposalTarget(models.Model):
    """The locators that a plan names, for search; written with the proposal, never changed."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="targets")
    step = models.PositiveSmallIntegerField()
    locator = models.CharField(max_length=300, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["proposal", "step"], name="target_step")]

    def __str__(self) -> str:
        return self.locator


class Transition(Fact):
    """A recorded state change. Inserting it is what moves the state."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=20)
    to_state = models.CharField(max_length=20)
    round = models.PositiveIntegerField()
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class OutboxMessage(models.Model):
    """Work for the worker, written by triggers only. Nothing is marked sent: the worker's claim
    is the acknowledgement."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    kind = models.CharField(max_length=20)
    round = models.PositiveIntegerField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.proposal_id}"


class ObservationRequest(Fact):
    """A person asked the worker to observe and assess again."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    round = models.PositiveIntegerField()
    person = models.UUIDField()

    def __str__(self) -> str:
        return f"observe {self.proposal_id} again"


class Refusal(Fact):
    """A refusal about a proposal, shown in its history; also the memory of the back-off."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="refusals")
    reason = models.CharField(max_length=64)
    detail = models.TextField(blank=True)
    actor = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.reason


class Notice(Fact):
    """A warning that was sent about a deadline; once for each proposal, round and kind."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    round = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "round", "kind"], name="notice_once")
        ]

    def __str__(self) -> str:
        return self.kind
