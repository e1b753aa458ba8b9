"""Proposals, their transitions, and the outbox rows for the worker."""

from __future__ import annotations

import uuid

from django.db import models

from remediation.models.agent import Agent, AgentToken
from remediation.models.base import Fact
from remediation.models.incident import Diagnosis, Incident


class Choice(Fact):
    """Up to three alternative plans of one report; at most one of them is ever approved."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="choices")
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)

    def __str__(self) -> str:
        return f"choice {str(self.pk)[:8]}"


class Proposal(Fact):
    """One immutable plan for one incident.

    Only ``state`` and ``round`` change, through the trigger on inserting a :class:`Transition`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    incident = models.ForeignKey(Incident, on_delete=models.PROTECT, related_name="proposals")
    diagnosis = models.ForeignKey(Diagnosis, on_delete=models.PROTECT)
    plan = models.BinaryField()
    plan_digest = models.CharField(max_length=64)
    rationale = models.TextField(blank=True)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)
    token = models.ForeignKey(AgentToken, on_delete=models.PROTECT)
    # The person who edited the plan; agent and token are then those of the superseded proposal.
    editor = models.UUIDField(null=True, blank=True)
    supersedes = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True)
    # The run that this plan reverses exactly; such a plan is proposed by a person, not an agent.
    reverses = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversals"
    )
    # The person who made the plan; null for an agent's. That person's role counts instead of the
    # state of the agent. New versions keep it, whoever edits them.
    planner = models.UUIDField(null=True, blank=True, db_index=True)
    # The alternatives of which this is one, and its number among them; new versions keep both.
    choice = models.ForeignKey(
        Choice, on_delete=models.PROTECT, null=True, blank=True, related_name="alternatives"
    )
    alternative = models.PositiveSmallIntegerField(null=True, blank=True)
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
    """The locators of a plan's targets, for search; written with the proposal, never changed."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="targets")
    step = models.PositiveSmallIntegerField()
    locator = models.CharField(max_length=300, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["proposal", "step"], name="target_step")]

    def __str__(self) -> str:
        return self.locator


class Transition(Fact):
    """A recorded state change; inserting it changes the proposal's state."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="transitions")
    from_state = models.CharField(max_length=20)
    to_state = models.CharField(max_length=20)
    round = models.PositiveIntegerField()
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{self.from_state} → {self.to_state}"


class OutboxMessage(models.Model):
    """Work for the worker, written by triggers only.

    Rows are never marked as sent; the worker's claim acknowledges them.
    """

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    kind = models.CharField(max_length=20)
    round = models.PositiveIntegerField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.kind} {self.proposal_id}"


class ObservationRequest(Fact):
    """A person's request that the worker observes and assesses again."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    round = models.PositiveIntegerField()
    person = models.UUIDField()

    def __str__(self) -> str:
        return f"observe {self.proposal_id} again"


class SeenAgain(Fact):
    """The worker's answer to a request: all that people sign in this round is as it was.

    `observation` is what it saw, with the fields that are shown only.
    """

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    round = models.PositiveIntegerField()
    observation = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.proposal_id} seen again in round {self.round}"


class Refusal(Fact):
    """A refusal about a proposal, shown in its history; the back-off counts these rows, too."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT, related_name="refusals")
    reason = models.CharField(max_length=64)
    detail = models.TextField(blank=True)
    actor = models.CharField(max_length=200)

    def __str__(self) -> str:
        return self.reason


class Notice(Fact):
    """A warning about a deadline that was sent; one per proposal, round and kind."""

    proposal = models.ForeignKey(Proposal, on_delete=models.PROTECT)
    round = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["proposal", "round", "kind"], name="notice_once")
        ]

    def __str__(self) -> str:
        return self.kind
