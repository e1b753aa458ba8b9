"""The transparency log over the entries: leaves, nodes, checkpoints, cosignatures, secrets."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


def unmanaged(name: str, table: str, **fields: models.Field) -> migrations.CreateModel:
    return migrations.CreateModel(
        name=name,
        fields=list(fields.items()),
        options={"managed": False, "db_table": f'audit"."{table}'},
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_entry")]
    operations = [
        RunSQLFile(SQL, "0002_log"),
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
