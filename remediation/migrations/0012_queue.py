"""Places in the queue and in the list of incidents, and people's saved views."""

from __future__ import annotations

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import remediation.models.queue
from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


def numbers() -> django.contrib.postgres.fields.ArrayField:
    return django.contrib.postgres.fields.ArrayField(
        base_field=models.BigIntegerField(), size=None
    )


class Migration(migrations.Migration):
    dependencies = [("remediation", "0011_inventory_scale")]
    operations = [
        # Columns in this order: the functions of 0012_queue.up.sql return rows of these tables.
        migrations.CreateModel(
            name="QueueEntry",
            fields=[
                (
                    "proposal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="queued",
                        serialize=False,
                        to="remediation.proposal",
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="remediation.incident",
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="remediation.agent",
                    ),
                ),
                ("place", models.CharField(db_collation="C", max_length=80)),
                ("state", models.CharField(max_length=20)),
                ("risk", models.CharField(max_length=20)),
                ("environment", models.CharField(max_length=20)),
                ("target", models.CharField(max_length=300)),
                ("due", models.DateTimeField(null=True)),
                ("touched", numbers()),
                ("direct", numbers()),
                (
                    "open_slots",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.TextField(), size=None
                    ),
                ),
                (
                    "decided",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                ("words", remediation.models.queue.Words()),
            ],
            options={
                "verbose_name_plural": "queue entries",
                "constraints": [models.UniqueConstraint(fields=["place"], name="queue_place")],
                "indexes": [
                    models.Index(fields=["incident"], name="queue_incident"),
                    models.Index(fields=["agent", "place"], name="queue_agent"),
                    models.Index(fields=["target", "place"], name="queue_target"),
                    models.Index(fields=["risk", "place"], name="queue_risk"),
                    models.Index(fields=["environment", "place"], name="queue_environment"),
                ],
            },
        ),
        migrations.CreateModel(
            name="IncidentEntry",
            fields=[
                (
                    "incident",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="listed",
                        serialize=False,
                        to="remediation.incident",
                    ),
                ),
                ("state", models.CharField(max_length=20)),
                ("detected_at", models.DateTimeField()),
                ("touched", numbers()),
            ],
            options={
                "verbose_name_plural": "incident entries",
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "closed"), _negated=True),
                        fields=["detected_at", "incident"],
                        name="incident_alive",
                    ),
                    models.Index(fields=["detected_at", "incident"], name="incident_by_age"),
                ],
            },
        ),
        migrations.CreateModel(
            name="SavedView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                ("person", models.UUIDField()),
                ("name", models.CharField(max_length=60)),
                ("query", models.CharField(blank=True, max_length=1000)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["person", "name", "-id"], name="saved_view_newest")
                ],
            },
        ),
        RunSQLFile(SQL, "0012_queue"),
    ]
