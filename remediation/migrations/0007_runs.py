"""Runs: leases, executions, steps, halts, the freeze."""

from __future__ import annotations

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("remediation", "0006_reviews")]
    operations = [
        migrations.CreateModel(
            name="Lease",
            fields=[
                ("target", models.CharField(max_length=300, primary_key=True, serialize=False)),
                ("token", models.BigIntegerField(default=0)),
                ("holder", models.CharField(blank=True, max_length=200)),
                ("until", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="Execution",
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
                    "proposal",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="execution",
                        to="remediation.proposal",
                    ),
                ),
                ("tokens", models.JSONField()),
                ("holder", models.CharField(max_length=200)),
                ("evidence", models.BinaryField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="StepRecord",
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
                    "execution",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="steps",
                        to="remediation.execution",
                    ),
                ),
                ("step", models.PositiveSmallIntegerField()),
                ("phase", models.CharField(max_length=20)),
                ("token", models.BigIntegerField()),
                ("data", models.JSONField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("execution", "step", "phase"), name="step_phase_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            (
                                "phase__in",
                                [
                                    "intended",
                                    "applied",
                                    "verified",
                                    "failed",
                                    "unknown",
                                    "undo_intended",
                                    "undone",
                                    "undo_failed",
                                ],
                            )
                        ),
                        name="step_phase",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="HaltSession",
            fields=[
                ("entry", models.BigIntegerField(editable=False)),
                (
                    "recorded_at",
                    models.DateTimeField(default=django.utils.timezone.now, editable=False),
                ),
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.proposal"
                    ),
                ),
                ("person", models.UUIDField()),
                ("nonce", models.CharField(max_length=64, unique=True)),
                ("statement", models.BinaryField()),
                ("expires_at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Halt",
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
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="remediation.haltsession",
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="halts",
                        to="remediation.proposal",
                    ),
                ),
                ("person", models.UUIDField()),
                ("reason", models.CharField(max_length=500)),
                ("statement", models.BinaryField()),
                ("credential_id", models.BinaryField()),
                ("authenticator_data", models.BinaryField()),
                ("client_data_json", models.BinaryField()),
                ("signature", models.BinaryField()),
                ("cose_key", models.BinaryField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="HaltVerdict",
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
                    "halt",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="verdict",
                        to="remediation.halt",
                    ),
                ),
                ("actor", models.CharField(max_length=200)),
                ("refusal", models.CharField(blank=True, max_length=100)),
                ("detail", models.CharField(blank=True, max_length=500)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Freeze",
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
                ("frozen", models.BooleanField()),
                ("reason", models.CharField(max_length=200)),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "abstract": False,
            },
        ),
    ]
