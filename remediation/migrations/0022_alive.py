"""Identities read for people who look now, leaked secrets compared, and how it turned out."""

from __future__ import annotations

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0022_alive"


def _fact() -> list[tuple[str, models.Field]]:  # type: ignore[type-arg]
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


def _answers(related_name: str) -> models.OneToOneField:  # type: ignore[type-arg]
    return models.OneToOneField(
        to="remediation.liverequest",
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
    )


def _about(model: str, related_name: str, **options: bool) -> models.ForeignKey:  # type: ignore[type-arg]
    return models.ForeignKey(
        to=f"remediation.{model}",
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        **options,
    )


class Migration(migrations.Migration):
    dependencies = [("remediation", "0021_told")]
    operations = [
        migrations.CreateModel(
            name="LiveRequest",
            fields=[
                *_fact(),
                ("locator", models.CharField(max_length=300)),
                ("person", models.UUIDField()),
                (
                    "incident",
                    models.ForeignKey(
                        to="remediation.incident",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="live_requests",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["incident", "locator", "-id"], name="live_newest"),
                    models.Index(fields=["person", "-id"], name="live_by_person"),
                ],
            },
        ),
        migrations.CreateModel(
            name="LiveObservation",
            fields=[
                *_fact(),
                ("found", models.CharField(max_length=20)),
                ("body", models.BinaryField()),
                ("actor", models.CharField(max_length=200)),
                ("request", _answers("answer")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(found__in=["access", "without", "unread", "not_known"]),
                        name="live_found",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="SecretCheck",
            fields=[
                *_fact(),
                ("in_force", models.CharField(max_length=20)),
                ("body", models.BinaryField()),
                ("actor", models.CharField(max_length=200)),
                ("request", _answers("secrets")),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(in_force__in=["yes", "no", "unknown"]),
                        name="secret_in_force",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="OutcomeQuestion",
            fields=[
                *_fact(),
                ("person", models.UUIDField()),
                ("time", models.PositiveSmallIntegerField()),
                ("actor", models.CharField(max_length=200)),
                ("incident", _about("incident", "questions")),
                ("proposal", _about("proposal", "questions", null=True, blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("incident", "proposal", "person", "time"),
                        name="outcome_asked_once",
                        nulls_distinct=False,
                    ),
                    models.CheckConstraint(
                        condition=models.Q(time__in=[1, 2]), name="outcome_asked_twice_at_most"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="OutcomeAnswer",
            fields=[
                *_fact(),
                ("person", models.UUIDField()),
                ("diagnosis", models.CharField(max_length=20)),
                ("scope", models.CharField(max_length=20)),
                ("action", models.CharField(max_length=20)),
                ("unseen", models.TextField(blank=True)),
                ("incident", _about("incident", "answers")),
                ("proposal", _about("proposal", "answers", null=True, blank=True)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("incident", "proposal", "person"),
                        name="outcome_answered_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        RunSQLFiles(SQL, ["live", "outcomes"]),
    ]
