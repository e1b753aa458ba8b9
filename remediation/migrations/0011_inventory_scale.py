"""Scope and separation at the size of a large inventory: the same answers, found faster."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0006_corrections")]
    operations = [RunSQLFile(SQL, "0011_inventory_scale")]
