"""A copy of the approvers file's entries, so that pages can say who needs a key."""

from __future__ import annotations

from pathlib import Path

import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0024_approver_keys"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0022_alive")]
    operations = [
        migrations.CreateModel(
            name="ApproverKey",
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
                ("fingerprint", models.CharField(max_length=64)),
                ("roles", models.JSONField()),
                ("since", models.DateTimeField()),
                ("until", models.DateTimeField(null=True)),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["person", "-id"], name="approver_key_newest")
                ]
            },
        ),
        RunSQLFiles(SQL, ["approver_keys"]),
    ]
