"""What people sign about a run: stop and keep, stop and undo, settled by hand (promise 11)."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0013_run_statements"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0012_people_entries")]
    operations = [
        # The statements before this one are halts of version 1.
        migrations.AddField(
            model_name="halt",
            name="decision",
            field=models.CharField(max_length=10, default="halt"),
            preserve_default=False,
        ),
        RunSQLFiles(SQL, ["halt", "proposals", "queue"]),
    ]
