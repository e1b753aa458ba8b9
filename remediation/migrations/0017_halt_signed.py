"""A halt is signed with a passkey, and the worker says whether it holds; what a proposal undoes."""

from __future__ import annotations

import uuid
from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"
SIGNED = (
    *("statement", "credential_id", "authenticator_data", "client_data_json"),
    *("signature", "cose_key"),
)


def _id() -> tuple[str, models.BigAutoField[int, int]]:
    field: models.BigAutoField[int, int] = models.BigAutoField(
        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
    )
    return "id", field


def _fact() -> tuple[tuple[str, models.Field[object, object]], ...]:
    return (
        ("entry", models.BigIntegerField(editable=False)),
        ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
    )


class Migration(migrations.Migration):
    dependencies = [("remediation", "0016_queue_services")]
    operations = [
        migrations.CreateModel(
            name="HaltSession",
            fields=[
                *_fact(),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("person", models.UUIDField()),
                ("nonce", models.CharField(max_length=64, unique=True)),
                ("statement", models.BinaryField()),
                ("expires_at", models.DateTimeField()),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.proposal"
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        migrations.AlterField(
            model_name="halt",
            name="proposal",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="halts",
                to="remediation.proposal",
            ),
        ),
        migrations.AddField(
            model_name="halt",
            name="session",
            # Null: a halt from before there were signatures. The guard asks for one.
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to="remediation.haltsession",
            ),
        ),
        *(
            migrations.AddField(
                model_name="halt",
                name=name,
                field=models.BinaryField(default=b""),
                preserve_default=False,
            )
            for name in SIGNED
        ),
        migrations.CreateModel(
            name="HaltVerdict",
            fields=[
                _id(),
                *_fact(),
                ("actor", models.CharField(max_length=200)),
                ("refusal", models.CharField(blank=True, max_length=100)),
                ("detail", models.CharField(blank=True, max_length=500)),
                (
                    "halt",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdict",
                        to="remediation.halt",
                    ),
                ),
            ],
            options={"abstract": False},
        ),
        RunSQLFile(SQL, "0017_halt_signed"),
        migrations.AddField(
            model_name="proposal",
            name="reverses",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="reversals",
                to="remediation.proposal",
            ),
        ),
        RunSQLFile(SQL, "0017_reversal"),
    ]
