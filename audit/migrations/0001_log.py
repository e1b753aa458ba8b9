"""The entries and the transparency log over them: append-only tables, functions, one view."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0001_log"


def unmanaged(name: str, table: str, **fields: models.Field) -> migrations.CreateModel:
    return migrations.CreateModel(
        name=name,
        fields=list(fields.items()),
        options={"managed": False, "db_table": f'audit"."{table}'},
    )


class Migration(migrations.Migration):
    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [
        RunSQLFiles(SQL, ["entry", "log"]),
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
        unmanaged(
            "Leaf",
            "leaf",
            idx=models.BigIntegerField(primary_key=True, serialize=False),
            entry_id=models.BigIntegerField(),
            hash=models.BinaryField(),
        ),
        unmanaged(
            "CheckpointRow",
            "checkpoint",
            size=models.BigIntegerField(primary_key=True, serialize=False),
            note=models.TextField(),
        ),
        unmanaged(
            "Secret",
            "secret",
            commitment=models.BinaryField(primary_key=True, serialize=False),
            salt=models.BinaryField(),
            value=models.TextField(),
        ),
        unmanaged(
            "Search",
            "search",
            idx=models.BigIntegerField(primary_key=True, serialize=False),
            entry_id=models.BigIntegerField(),
            at=models.DateTimeField(null=True),
            action=models.TextField(),
            actor=models.TextField(),
            object=models.TextField(),
        ),
    ]
