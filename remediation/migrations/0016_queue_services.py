"""Places by service: the queue of whoever sees some services only is read in order too."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFile

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0015_corrector")]
    operations = [
        migrations.CreateModel(
            name="QueueService",
            fields=[
                (
                    "pk",
                    models.CompositePrimaryKey(
                        "service", "place", blank=True, editable=False, primary_key=True,
                        serialize=False,
                    ),
                ),
                ("service", models.BigIntegerField()),
                ("place", models.CharField(db_collation="C", max_length=80)),
            ],
            options={"verbose_name_plural": "queue services"},
        ),
        RunSQLFile(SQL, "0016_queue_services"),
    ]
