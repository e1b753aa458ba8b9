"""Acts that a person signs with the passkey, once: reveal, observe again, report an agent."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0028_step_up"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0027_administered")]
    operations = [RunSQLFiles(SQL, ["step_up"])]
