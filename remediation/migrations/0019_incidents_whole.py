"""Incidents are whole: who works on one, comments and questions to named people.

Defines the guards of both, and `viewers_v1`: who may see an incident or a proposal of it.
"""

from __future__ import annotations

from pathlib import Path

import django.contrib.postgres.fields
import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0019_incidents_whole"


def _fact() -> list[tuple[str, models.Field]]:  # type: ignore[type-arg]
    return [
        (
            "id",
            models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        ("entry", models.BigIntegerField(editable=False)),
        ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
    ]


def _to(model: str, related_name: str, **options: bool) -> models.ForeignKey:  # type: ignore[type-arg]
    return models.ForeignKey(
        to=f"remediation.{model}",
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        **options,
    )


_OPTIONAL = {"null": True, "blank": True}


class Migration(migrations.Migration):
    dependencies = [("remediation", "0018_plans")]
    operations = [
        migrations.CreateModel(
            name="IncidentAssignment",
            fields=[
                *_fact(),
                ("incident", _to("incident", "assignments")),
                ("person", models.UUIDField(null=True, blank=True)),
                ("replaces", _to("incidentassignment", "+", **_OPTIONAL)),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "indexes": [models.Index(fields=["incident", "-id"], name="assignment_newest")],
            },
        ),
        migrations.CreateModel(
            name="IncidentComment",
            fields=[
                *_fact(),
                ("incident", _to("incident", "comments")),
                ("proposal", _to("proposal", "comments", **_OPTIONAL)),
                ("person", models.UUIDField()),
                ("text", models.TextField()),
                ("asked", django.contrib.postgres.fields.ArrayField(models.UUIDField())),
            ],
            options={
                "indexes": [models.Index(fields=["proposal"], name="comment_proposal")],
            },
        ),
        RunSQLFiles(SQL, ["discussion"]),
    ]
