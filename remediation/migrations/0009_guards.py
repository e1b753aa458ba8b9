"""Everything that a model does not make: guards, views, constraints, indexes, two tables.

A frozen copy of the living SQL (remediation/sql) as it was when the chain began.
"""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0009_guards"


class Migration(migrations.Migration):
    dependencies = [
        ("remediation", "0008_queue"),
        ("audit", "0001_log"),
        # The views of people.sql read guardian's rows and content types.
        ("guardian", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [
        RunSQLFiles(
            SQL,
            [
                *("facts", "inventory", "scope", "people", "separation"),
                *("states", "proposals", "review", "execution", "halt"),
                *("incidents", "secrecy", "queue"),
            ],
        )
    ]
