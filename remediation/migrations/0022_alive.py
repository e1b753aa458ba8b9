"""Reading identities for people who look now: requests, answers, and compared secrets."""

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
        RunSQLFiles(SQL, ["live"]),
    ]
