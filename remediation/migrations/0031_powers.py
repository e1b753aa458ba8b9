"""The web login changes accounts, groups and rights only as a passkey signed, or an operator ordered."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0031_powers"


class Migration(migrations.Migration):
    dependencies = [("remediation", "0030_session_epoch")]
    operations = [RunSQLFiles(SQL, ["powers", "step_up"])]
