"""The guards: insert-only facts, entitlement, review, transitions, execution."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [
        ("remediation", "0001_records"),
        ("audit", "0001_entry"),
        # The views of 0003 read guardian's rows and content types.
        ("guardian", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        RunSQLFile(SQL, "0002_facts"),
        RunSQLFile(SQL, "0003_people"),
        RunSQLFile(SQL, "0004_review"),
        RunSQLFile(SQL, "0005_execution"),
    ]
