"""The end state `stopped`: part of a plan is applied and stays (promise 11)."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0010_stopped"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0009_guards")]
    operations = [RunSQLFiles(SQL, ["states"])]
