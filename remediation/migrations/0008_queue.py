"""The lists that people work through, and saved views of them."""

from __future__ import annotations

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

import remediation.models.queue


class Migration(migrations.Migration):
    dependencies = [("remediation", "0007_runs")]
    operations = [
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
                (
                    "touched",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), size=None
                    ),
                ),
                (
                    "direct",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), size=None
                    ),
                ),
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
                "indexes": [
                    models.Index(fields=["incident"], name="queue_incident"),
                    models.Index(fields=["agent", "place"], name="queue_agent"),
                    models.Index(fields=["target", "place"], name="queue_target"),
                    models.Index(fields=["risk", "place"], name="queue_risk"),
                    models.Index(fields=["environment", "place"], name="queue_environment"),
                ],
                "constraints": [models.UniqueConstraint(fields=("place",), name="queue_place")],
            },
        ),
        migrations.CreateModel(
            name="QueueService",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service",
                        "place",
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("service", models.BigIntegerField()),
                ("place", models.CharField(db_collation="C", max_length=80)),
            ],
            options={
                "verbose_name_plural": "queue services",
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
                (
                    "touched",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(), size=None
                    ),
                ),
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
    ]
