"""Enrolled passkeys as facts, and the names of accounts for the worker's operator."""

from __future__ import annotations

from pathlib import Path

import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0002_guards")]
    operations = [
        migrations.CreateModel(
            name="PasskeyEnrolment",
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
                ("person", models.UUIDField(db_index=True)),
                ("credential_id", models.BinaryField(unique=True)),
                ("cose_key", models.BinaryField(unique=True)),
            ],
            options={"abstract": False},
        ),
        RunSQLFile(SQL, "0006_passkeys"),
    ]
