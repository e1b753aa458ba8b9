"""Contained and open again: looks, requests, notices; the guard compares and sets.

Redefines the guard of incidents' moves, and refuses what would run for a closed incident.
"""

from __future__ import annotations

from pathlib import Path

import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0014_contained"


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


def _to(model: str, related_name: str, **options: bool) -> models.ForeignKey:  # type: ignore[type-arg]
    return models.ForeignKey(
        to=f"remediation.{model}",
        on_delete=django.db.models.deletion.PROTECT,
        related_name=related_name,
        **options,
    )


_OPTIONAL = {"null": True, "blank": True}


class Migration(migrations.Migration):
    dependencies = [("remediation", "0013_run_statements")]
    operations = [
        migrations.CreateModel(
            name="IncidentLook",
            fields=[
                *_fact(),
                ("incident", _to("incident", "looks")),
                ("proposal", _to("proposal", "+", **_OPTIONAL)),
                ("step", models.PositiveSmallIntegerField(null=True, blank=True)),
                ("found", models.CharField(max_length=20)),
                ("data", models.JSONField()),
                ("actor", models.CharField(max_length=200)),
            ],
            options={
                "indexes": [models.Index(fields=["incident", "-id"], name="look_newest")],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(found__in=["without", "access", "unread"]),
                        name="look_found",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="IncidentLookRequest",
            fields=[
                *_fact(),
                ("incident", _to("incident", "look_requests")),
                ("person", models.UUIDField()),
            ],
            options={"abstract": False},
        ),
        migrations.CreateModel(
            name="IncidentNotice",
            fields=[
                *_fact(),
                ("incident", _to("incident", "notices")),
                ("kind", models.CharField(max_length=20)),
                ("about", models.BigIntegerField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("incident", "kind", "about"), name="incident_notice_once"
                    )
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="incidenttransition", name="incident_leaves_a_state_once"
        ),
        migrations.AddField("incidenttransition", "proposal", _to("proposal", "+", **_OPTIONAL)),
        migrations.AddField("incidenttransition", "look", _to("incidentlook", "+", **_OPTIONAL)),
        RunSQLFiles(SQL, ["contained"]),
    ]
