"""Proposals: plans, their targets, how their state moves, refusals and messages."""

from __future__ import annotations

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("remediation", "0004_incidents")]
    operations = [
        migrations.CreateModel(
            name="Proposal",
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
                    "incident",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="proposals",
                        to="remediation.incident",
                    ),
                ),
                (
                    "diagnosis",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.diagnosis"
                    ),
                ),
                ("plan", models.BinaryField()),
                ("plan_digest", models.CharField(max_length=64)),
                ("rationale", models.TextField(blank=True)),
                (
                    "agent",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.agent"
                    ),
                ),
                (
                    "token",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.agenttoken"
                    ),
                ),
                ("editor", models.UUIDField(blank=True, null=True)),
                (
                    "supersedes",
                    models.OneToOneField(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        to="remediation.proposal",
                    ),
                ),
                (
                    "reverses",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reversals",
                        to="remediation.proposal",
                    ),
                ),
                ("state", models.CharField(default="submitted", max_length=20)),
                ("round", models.PositiveIntegerField(default=0)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["state", "recorded_at"], name="proposal_state"),
                    models.Index(fields=["agent", "-recorded_at"], name="proposal_agent"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ProposalTarget",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="targets",
                        to="remediation.proposal",
                    ),
                ),
                ("step", models.PositiveSmallIntegerField()),
                ("locator", models.CharField(db_index=True, max_length=300)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("proposal", "step"), name="target_step")
                ],
            },
        ),
        migrations.CreateModel(
            name="Transition",
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
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transitions",
                        to="remediation.proposal",
                    ),
                ),
                ("from_state", models.CharField(max_length=20)),
                ("to_state", models.CharField(max_length=20)),
                ("round", models.PositiveIntegerField()),
                ("actor", models.CharField(max_length=200)),
                ("reason", models.CharField(blank=True, max_length=200)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="OutboxMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "proposal",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.proposal"
                    ),
                ),
                ("kind", models.CharField(max_length=20)),
                ("round", models.PositiveIntegerField()),
                ("recorded_at", models.DateTimeField(auto_now_add=True)),
            ],
        ),
        migrations.CreateModel(
            name="ObservationRequest",
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
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.proposal"
                    ),
                ),
                ("round", models.PositiveIntegerField()),
                ("person", models.UUIDField()),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Refusal",
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
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="refusals",
                        to="remediation.proposal",
                    ),
                ),
                ("reason", models.CharField(max_length=64)),
                ("detail", models.TextField(blank=True)),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "abstract": False,
            },
        ),
        migrations.CreateModel(
            name="Notice",
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
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, to="remediation.proposal"
                    ),
                ),
                ("round", models.PositiveIntegerField()),
                ("kind", models.CharField(max_length=20)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("proposal", "round", "kind"), name="notice_once"
                    )
                ],
            },
        ),
    ]
