"""The scope as one recursive query."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0003_passkeys")]
    operations = [RunSQLFile(SQL, "0007_scope")]
