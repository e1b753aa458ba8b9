"""The writer of each entry: a trigger stamps the login, and refuses what it may not write."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0002_writer"


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_log")]
    operations = [RunSQLFiles(SQL, ["writer"])]
