"""Who administered people in the last 7 days: they neither decide nor uncover secrets."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0027_administered"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0026_consumers")]
    operations = [RunSQLFiles(SQL, ["people", "separation"])]
