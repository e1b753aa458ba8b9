"""How a service uses an identity: what records show of it, how often, how it takes a new value."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0026_consumers"
TAKES_BY = [
    ("fetch", "Fetch"),
    ("reload", "Reload"),
    ("restart", "Restart"),
    ("deploy", "Deploy"),
    ("by_hand", "By Hand"),
]


class Migration(migrations.Migration):
    dependencies = [("remediation", "0025_waiting")]
    operations = [
        migrations.AddField(
            model_name="dependencyversion",
            name="seen_as",
            field=models.CharField(blank=True, db_default="", default="", max_length=200),
        ),
        migrations.AddField(
            model_name="dependencyversion",
            name="period_s",
            field=models.PositiveIntegerField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="dependencyversion",
            name="takes_by",
            field=models.CharField(
                blank=True, choices=TAKES_BY, db_default="", default="", max_length=20
            ),
        ),
        migrations.AddConstraint(
            model_name="dependencyversion",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    takes_by__in=["", "fetch", "reload", "restart", "deploy", "by_hand"]
                ),
                name="dependency_takes_by",
            ),
        ),
        migrations.AddConstraint(
            model_name="dependencyversion",
            constraint=models.CheckConstraint(
                condition=models.Q(("period_s__isnull", True), ("period_s__lte", 34560000), _connector="OR"),
                name="dependency_period",
            ),
        ),
        RunSQLFiles(SQL, ["consumers"]),
    ]
