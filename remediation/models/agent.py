"""Agents, their owners through time, their tokens, and answers stored for repeated requests."""

from __future__ import annotations

import uuid

from django.db import models

from remediation.models.base import Fact


class Agent(Fact):
    """A non-human reporter. It may submit, read and withdraw its own; it never decides or runs."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)

    def __str__(self) -> str:
        return self.name

    @property
    def actor(self) -> str:
        return f"agent:{self.pk}"


class AgentVersion(Fact):
    """The agent's owner and whether it is enabled, from ``recorded_at`` on."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="versions")
    owner = models.UUIDField()
    enabled = models.BooleanField()
    author = models.CharField(max_length=200)

    class Meta:
        indexes = [models.Index(fields=["agent", "-id"], name="agent_version_newest")]

    def __str__(self) -> str:
        return f"{self.agent} v{self.pk}"


class AgentToken(Fact):
    """A bearer token, stored as SHA-256 (it has 256 random bits, so no slow hash is needed)."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="tokens")
    prefix = models.CharField(max_length=16)
    hash = models.CharField(max_length=64, unique=True)
    created_by = models.UUIDField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.prefix}…"


class AgentTokenRevocation(Fact):
    token = models.OneToOneField(AgentToken, on_delete=models.PROTECT, related_name="revocation")
    revoked_by = models.CharField(max_length=200)

    def __str__(self) -> str:
        return f"revocation of {self.token}"


class IdempotencyRecord(models.Model):
    """Key and answer, inserted in the transaction of the request's work; never changed."""

    agent = models.ForeignKey(Agent, on_delete=models.PROTECT)
    key = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    answer = models.JSONField()
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["agent", "key"], name="idempotency_key")]

    def __str__(self) -> str:
        return self.key
