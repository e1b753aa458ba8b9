"""Who loosened the inventory, asked of the objects in reach only."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0004_scope")]
    operations = [RunSQLFile(SQL, "0008_loosening")]
