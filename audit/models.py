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


class Leaf(models.Model):
    """An entry's place in the tree: row ``idx`` is leaf ``idx``, written by the sequencer only."""

    idx = models.BigIntegerField(primary_key=True)
    entry_id = models.BigIntegerField()
    hash = models.BinaryField()

    class Meta:
        managed = False
        db_table = 'audit"."leaf'

    def __str__(self) -> str:
        return f"leaf {self.pk}"


class CheckpointRow(models.Model):
    """A signed head, whole, as the text of a note."""

    size = models.BigIntegerField(primary_key=True)
    note = models.TextField()

    class Meta:
        managed = False
        db_table = 'audit"."checkpoint'

    def __str__(self) -> str:
        return f"checkpoint of {self.pk}"


class Secret(models.Model):
    """What opens a commitment that stands in an entry; the one thing that can be erased."""

    commitment = models.BinaryField(primary_key=True)
    salt = models.BinaryField()
    value = models.TextField()

    class Meta:
        managed = False
        db_table = 'audit"."secret'

    def __str__(self) -> str:
        return f"opens {bytes(self.commitment).hex()}"


class Search(models.Model):
    """An entry as a line of a list; derived, never the evidence."""

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
