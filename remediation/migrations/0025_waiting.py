"""Runs that wait between two steps. A waiting run keeps its targets; waiting is no time to run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0025_waiting"
FILES = ["facts", "states", "execution", "halt", "waiting", "proposals", "plans", "queue"]


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


def _of_wait(related_name: str) -> dict[str, Any]:
    return {
        "to": "remediation.wait",
        "on_delete": django.db.models.deletion.PROTECT,
        "related_name": related_name,
    }


class Migration(migrations.Migration):
    dependencies = [("remediation", "0024_approver_keys")]
    operations = [
        migrations.AddField(
            "lease",
            "proposal",
            models.ForeignKey(
                to="remediation.proposal",
                on_delete=django.db.models.deletion.PROTECT,
                null=True,
                related_name="+",
                db_index=False,
            ),
        ),
        migrations.CreateModel(
            name="Wait",
            fields=[
                *_fact(),
                ("step", models.PositiveSmallIntegerField()),
                ("conditions", models.JSONField()),
                ("person", models.BooleanField()),
                ("within_s", models.PositiveIntegerField()),
                ("deadline", models.DateTimeField()),
                (
                    "execution",
                    models.ForeignKey(
                        to="remediation.execution",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="waits",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("execution", "step"), name="wait_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="WaitLook",
            fields=[
                *_fact(),
                ("sightings", models.JSONField()),
                ("unmet", models.JSONField()),
                ("met", models.BooleanField()),
                ("wait", models.ForeignKey(**_of_wait("looks"))),
            ],
            options={
                "indexes": [models.Index(fields=["wait", "-id"], name="wait_look_newest")],
            },
        ),
        migrations.CreateModel(
            name="WaitOverdue",
            fields=[
                *_fact(),
                ("deadline", models.DateTimeField()),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("wait", models.ForeignKey(**_of_wait("overdue"))),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("wait", "deadline"), name="wait_overdue_once")
                ],
            },
        ),
        migrations.CreateModel(
            name="Resumption",
            fields=[
                *_fact(),
                ("holder", models.CharField(max_length=200)),
                ("evidence", models.BinaryField()),
                ("wait", models.OneToOneField(**_of_wait("resumption"))),
            ],
            options={"abstract": False},
        ),
        RunSQLFiles(SQL, FILES),
    ]
