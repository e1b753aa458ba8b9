"""An equal look keeps the round: people sign nothing again because somebody asked for it."""

from __future__ import annotations

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0029_seen_again"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0028_step_up")]
    operations = [
        migrations.CreateModel(
            name="SeenAgain",
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
                ("round", models.PositiveIntegerField()),
                ("observation", models.BinaryField()),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.proposal"
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        RunSQLFiles(SQL, ["seen_again"]),
    ]
