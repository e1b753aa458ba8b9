"""Who corrected a diagnosis decides on nothing that rests on it."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0014_halt")]
    operations = [RunSQLFile(SQL, "0015_corrector")]
