"""The audit log's rows. Tables are made by ``sql/``; Django only reads them.

``managed = False``: Django's flush and autodetector must not touch an append-only table.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import models


class Entry(models.Model):
    """One line of the audit log: ``body`` holds the exact bytes that are hashed, nothing else is
    evidence. Rows are appended by :func:`audit.log.append` only."""

    id = models.BigIntegerField(primary_key=True)
    body = models.BinaryField()

    class Meta:
        managed = False
        db_table = 'audit"."entry'
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return f"entry {self.pk}"

    @property
    def data(self) -> dict[str, Any]:
        """The JSON view of the bytes; a derived view, never the evidence."""
        view: dict[str, Any] = json.loads(bytes(self.body))
        return view
