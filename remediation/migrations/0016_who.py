"""Who may decide: rights by owner team and environment, and a right on one affected service.

Redefines service_right, people_entry_v1, review_v1 and halt_v2.
"""

from __future__ import annotations

from pathlib import Path

import django.utils.timezone
from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0016_who"
ENVIRONMENTS = ("production", "staging", "development")
RIGHTS = (
    ("view_service", "May see proposals that touch one of its services"),
    ("review_service", "May review proposals that touch one of its services"),
)


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


class Migration(migrations.Migration):
    dependencies = [("remediation", "0015_locators")]
    operations = [
        migrations.CreateModel(
            name="OwnerTeam",
            fields=[*_fact(), ("name", models.CharField(max_length=100, unique=True))],
            options={"default_permissions": (), "permissions": RIGHTS},
        ),
        migrations.CreateModel(
            name="EnvironmentName",
            fields=[
                *_fact(),
                (
                    "name",
                    models.CharField(
                        max_length=20,
                        unique=True,
                        choices=[(name, name.title()) for name in ENVIRONMENTS],
                    ),
                ),
            ],
            options={
                "default_permissions": (),
                "permissions": RIGHTS,
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(name__in=ENVIRONMENTS), name="environment_name"
                    )
                ],
            },
        ),
        migrations.AddIndex(
            model_name="serviceversion",
            index=models.Index(fields=["owner_team"], name="service_version_team"),
        ),
        RunSQLFiles(SQL, ["people", "review", "halt"]),
    ]
