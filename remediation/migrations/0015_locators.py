"""Free values of a target's fields are escaped in its locator, and the queue finds them as they are."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0015_locators"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0014_contained")]
    operations = [RunSQLFiles(SQL, ["proposals", "queue"])]
