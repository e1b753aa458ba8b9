"""The audit log's tables. ``sql/`` creates them; Django only reads them.

``managed = False``, because Django's flush and autodetector must not change append-only tables.
"""

from __future__ import annotations

import json
from typing import Any

from django.db import models


class Entry(models.Model):
    """One entry of the audit log. Only ``body``, the exact hashed bytes, is evidence.

    Only :func:`audit.log.append` inserts rows.
    """

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
        """The parsed bytes; derived, not evidence."""
        view: dict[str, Any] = json.loads(bytes(self.body))
        return view


class Leaf(models.Model):
    """An entry's position in the tree (``idx`` is the leaf index), written by the sequencer."""

    idx = models.BigIntegerField(primary_key=True)
    entry_id = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = 'audit"."leaf'

    def __str__(self) -> str:
        return f"leaf {self.pk}"


class CheckpointRow(models.Model):
    """A signed head as the full text of its note."""

    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()

    class Meta:
        managed = False
        db_table = 'audit"."checkpoint'

    def __str__(self) -> str:
        return f"checkpoint of {self.pk}"


class Secret(models.Model):
    """Value and salt of a commitment in an entry; the only rows that can be erased."""

    commitment = models.BinaryField(primary_key=True)
    salt = models.BinaryField()
    value = models.TextField()

    class Meta:
        managed = False
        db_table = 'audit"."secret'

    def __str__(self) -> str:
        return f"opens {bytes(self.commitment).hex()}"


class Search(models.Model):
    """An entry in the list for people; derived, not evidence."""

    idx = models.BigIntegerField(primary_key=True)
    entry_id = models.BigIntegerField()
    at = models.DateTimeField(null=True)
    action = models.TextField()
    actor = models.TextField()
    object = models.TextField()

    class Meta:
        managed = False
        db_table = 'audit"."search'

    def __str__(self) -> str:
        return f"line {self.pk}"
