"""Answers given to agents under an Idempotency-Key."""

from __future__ import annotations

from django.db import models

from remediation.models.agent import Agent


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
