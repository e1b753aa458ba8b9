"""Narrowings: facts, their guards, and whether one counts as its author's approval.

Redefines open_slots_v1, quorum_v1 and excluded_v1.
"""

from __future__ import annotations

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0017_narrow"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0016_who")]
    operations = [
        migrations.AddField(
            "assessment", "narrowing_counts", models.BooleanField(default=False, editable=False)
        ),
        migrations.CreateModel(
            name="Narrowing",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "session",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.reviewsession"
                    ),
                ),
                (
                    "proposal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="narrowing",
                        to="remediation.proposal",
                    ),
                ),
                (
                    "narrows",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="remediation.proposal",
                    ),
                ),
                ("person", models.UUIDField()),
                ("slot", models.CharField(max_length=40)),
                ("statement", models.BinaryField()),
                ("credential_id", models.BinaryField()),
                ("authenticator_data", models.BinaryField()),
                ("client_data_json", models.BinaryField()),
                ("signature", models.BinaryField()),
                ("cose_key", models.BinaryField()),
            ],
            options={"abstract": False},
        ),
        RunSQLFiles(SQL, ["narrow"]),
    ]
