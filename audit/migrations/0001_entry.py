"""The entry table: append-only, exact bytes."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [
        RunSQLFile(SQL, "0001_entry"),
        migrations.CreateModel(
            name="Entry",
            fields=[
                ("id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("body", models.BinaryField()),
            ],
            options={
                "verbose_name_plural": "entries",
                "db_table": 'audit"."entry',
                "managed": False,
            },
        ),
    ]
