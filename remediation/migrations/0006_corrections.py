"""Diagnoses that people corrected."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0005_loosening")]
    operations = [
        migrations.AddField(
            model_name="diagnosis", name="editor", field=models.UUIDField(blank=True, null=True)
        ),
        RunSQLFile(SQL, "0009_corrections"),
    ]
