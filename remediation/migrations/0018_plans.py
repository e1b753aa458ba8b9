"""Plans of people, and choices: alternatives of an agent, of which at most one is approved.

Redefines the guard that asks whether the proposer may still act.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0018_plans"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0017_narrow")]
    operations = [
        migrations.CreateModel(
            name="Choice",
            fields=[
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.agent"
                    ),
                ),
                (
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="choices",
                        to="remediation.incident",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        migrations.AddField(
            "proposal", "planner", models.UUIDField(blank=True, db_index=True, null=True)
        ),
        migrations.AddField(
            "proposal",
            "choice",
            models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alternatives",
                to="remediation.choice",
            ),
        ),
        migrations.AddField(
            "proposal", "alternative", models.PositiveSmallIntegerField(blank=True, null=True)
        ),
        RunSQLFiles(SQL, ["plans", "review"]),
    ]
