"""What all facts have in common."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Fact(models.Model):
    """An insert-only row with its audit entry.

    SQL guards (``sql/facts.sql``) refuse UPDATE, DELETE and TRUNCATE, set ``recorded_at`` to the
    database clock whatever was sent, and check that ``entry`` was written in this transaction.
    """

    entry = models.BigIntegerField(editable=False)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True
