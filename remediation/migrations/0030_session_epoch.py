"""Sessions of an account end for ever when it is switched off, loses a role or a passkey."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations, models

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0030_session_epoch"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0029_seen_again"), ("mfa", "0003_authenticator_type_uniq")]
    operations = [
        migrations.AddField(
            model_name="user",
            name="session_epoch",
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        ),
        RunSQLFiles(SQL, ["sessions"]),
    ]
