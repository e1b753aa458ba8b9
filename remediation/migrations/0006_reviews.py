"""Assessments and the reviews that rest on them."""

from __future__ import annotations

import uuid

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("remediation", "0005_proposals")]
    operations = [
        migrations.CreateModel(
            name="Assessment",
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
                        related_name="assessments",
                        to="remediation.proposal",
                    ),
                ),
                ("round", models.PositiveIntegerField()),
                ("observation", models.BinaryField()),
                ("pin", models.BinaryField()),
                ("scope", models.BinaryField()),
                ("checks", models.BinaryField()),
                ("facts", models.BinaryField()),
                ("ruling", models.BinaryField()),
                ("pin_digest", models.CharField(default="", editable=False, max_length=64)),
                ("scope_digest", models.CharField(default="", editable=False, max_length=64)),
                ("checks_digest", models.CharField(default="", editable=False, max_length=64)),
                ("ruling_digest", models.CharField(default="", editable=False, max_length=64)),
                ("slots", models.JSONField(default=list, editable=False)),
                ("risk", models.CharField(default="", editable=False, max_length=20)),
                ("decide_by", models.DateTimeField(editable=False, null=True)),
                ("run_within_s", models.PositiveIntegerField(default=0, editable=False)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("proposal", "round"), name="assessment_round")
                ],
            },
        ),
        migrations.CreateModel(
            name="AssessmentService",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "assessment",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="services",
                        to="remediation.assessment",
                    ),
                ),
                ("service_id", models.BigIntegerField(db_index=True)),
                ("depth", models.PositiveSmallIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("assessment", "service_id"), name="assessment_service"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="ReviewSession",
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
                ("round", models.PositiveIntegerField()),
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
            name="Review",
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
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reviews",
                        to="remediation.proposal",
                    ),
                ),
                ("round", models.PositiveIntegerField()),
                ("person", models.UUIDField()),
                ("slot", models.CharField(max_length=40)),
                ("decision", models.CharField(max_length=10)),
                ("statement", models.BinaryField()),
                ("credential_id", models.BinaryField()),
                ("authenticator_data", models.BinaryField()),
                ("client_data_json", models.BinaryField()),
                ("signature", models.BinaryField()),
                ("cose_key", models.BinaryField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("proposal", "round", "person"), name="review_one_for_each_person"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("decision__in", ["approve", "reject", "return"])),
                        name="review_decision",
                    ),
                ],
            },
        ),
    ]
