"""A reviewer's word answers nothing, and its author decides on nothing that rests on it."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0017_halt_signed")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[RunSQLFile(SQL, "0018_words")],
            state_operations=[
                migrations.AddField(
                    model_name="dependencyversion",
                    name="by_reviewer",
                    field=models.BooleanField(default=False),
                )
            ],
        )
    ]
