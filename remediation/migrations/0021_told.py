"""Tellings and their deliveries, the operator's channels, and what people choose to be told."""

from __future__ import annotations

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0021_told"


def _id() -> tuple[str, models.Field]:  # type: ignore[type-arg]
    return (
        "id",
        models.BigAutoField(
            auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
        ),
    )


def _fact() -> list[tuple[str, models.Field]]:  # type: ignore[type-arg]
    return [
        _id(),
        ("entry", models.BigIntegerField(editable=False)),
        ("recorded_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
    ]


def _to(model: str, related_name: str, **options: bool) -> models.ForeignKey:  # type: ignore[type-arg]
    return models.ForeignKey(
        to=f"remediation.{model}",
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        **options,
    )


class Migration(migrations.Migration):
    dependencies = [("remediation", "0015_locators")]
    operations = [
        migrations.CreateModel(
            name="Telling",
            fields=[
                _id(),
                ("kind", models.CharField(max_length=40)),
                ("once", models.CharField(max_length=200)),
                ("person", models.UUIDField()),
                ("proposal", _to("proposal", "+", null=True, blank=True)),
                ("incident", _to("incident", "+", null=True, blank=True)),
                ("text", models.CharField(max_length=2000, blank=True)),
                ("writer", models.CharField(max_length=40, editable=False)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "indexes": [
                    models.Index(fields=["recorded_at"], name="telling_newest"),
                    models.Index(fields=["once"], name="telling_same"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("person", "once", "writer"), name="telling_once"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Delivery",
            fields=[
                _id(),
                ("telling", _to("telling", "deliveries")),
                ("channel", models.CharField(max_length=60)),
                ("attempt", models.PositiveSmallIntegerField()),
                ("outcome", models.CharField(max_length=20)),
                ("detail", models.CharField(max_length=300, blank=True)),
                ("recorded_at", models.DateTimeField()),
            ],
            options={
                "verbose_name_plural": "deliveries",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("telling", "channel", "attempt"), name="delivery_attempt"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            outcome__in=["delivered", "failed", "dead", "unwanted"]
                        ),
                        name="delivery_outcome",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="NoticeChannel",
            fields=[
                *_fact(),
                ("name", models.CharField(max_length=60)),
                ("service", models.CharField(max_length=60)),
                ("carries", models.JSONField()),
                ("state", models.CharField(max_length=20)),
                ("detail", models.CharField(max_length=300, blank=True)),
            ],
            options={
                "indexes": [models.Index(fields=["name", "-id"], name="notice_channel_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(state__in=["working", "failing", "removed"]),
                        name="notice_channel_state",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="NoticeChoice",
            fields=[
                *_fact(),
                ("person", models.UUIDField()),
                ("muted", models.JSONField()),
            ],
            options={
                "indexes": [models.Index(fields=["person", "-id"], name="notice_choice_newest")],
            },
        ),
        RunSQLFiles(SQL, ["told"]),
    ]
