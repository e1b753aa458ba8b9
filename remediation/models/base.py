"""The base of all insert-only models."""

from __future__ import annotations

from django.db import models
from django.utils import timezone


class Fact(models.Model):
    """An insert-only row with its audit entry.

    SQL guards refuse UPDATE, DELETE and TRUNCATE, always set ``recorded_at`` to the database's
    time, and check that ``entry`` was written in this transaction.
    """

    entry = models.BigIntegerField(editable=False)
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        abstract = True
