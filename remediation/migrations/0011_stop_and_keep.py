"""Runs that stop and keep: steps applied but not confirmed, late results, rollback only as signed."""

from __future__ import annotations

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0011_stop_and_keep"
PHASES = [
    *("intended", "applied", "verified", "unconfirmed", "failed", "unknown"),
    *("undo_intended", "undone", "undo_failed"),
]


class Migration(migrations.Migration):
    dependencies = [("remediation", "0010_stopped")]
    operations = [
        migrations.CreateModel(
            name="LateResult",
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
                (
                    "execution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="late",
                        to="remediation.execution",
                    ),
                ),
                ("step", models.PositiveSmallIntegerField()),
                ("phase", models.CharField(max_length=20)),
                ("token", models.BigIntegerField()),
                ("data", models.JSONField()),
            ],
            options={"abstract": False},
        ),
        migrations.RemoveConstraint(model_name="steprecord", name="step_phase"),
        migrations.AddConstraint(
            model_name="steprecord",
            constraint=models.CheckConstraint(
                name="step_phase", condition=models.Q(phase__in=PHASES)
            ),
        ),
        RunSQLFiles(SQL, ["execution"]),
    ]
