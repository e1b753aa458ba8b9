"""Findings of secrets in evidence, and erasures of its bytes."""

from __future__ import annotations

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


def fact() -> list[tuple[str, models.Field]]:
    return [
        (
            "id",
            models.BigAutoField(
                auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
            ),
        ),
        ("entry", models.BigIntegerField(editable=False)),
        ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
    ]


class Migration(migrations.Migration):
    dependencies = [("remediation", "0012_queue")]
    operations = [
        migrations.CreateModel(
            name="EvidenceScan",
            fields=[
                *fact(),
                ("detector", models.CharField(max_length=100)),
                ("secrets", models.JSONField()),
                ("whole", models.BooleanField()),
                (
                    "evidence",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="scans",
                        to="remediation.evidence",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("evidence", "detector"), name="evidence_scanned_once"
                    )
                ]
            },
        ),
        migrations.CreateModel(
            name="EvidenceErasure",
            fields=[*fact(), ("sha256", models.CharField(max_length=64, unique=True))],
            options={"abstract": False},
        ),
        RunSQLFile(SQL, "0013_secrecy"),
    ]
