"""Entries by trigger for every change of accounts, groups, rights and passkeys."""

from __future__ import annotations

from pathlib import Path

from django.db import migrations

from audit.sqlfile import RunSQLFiles

SQL = Path(__file__).resolve().parent / "sql" / "0012_people_entries"


class Migration(migrations.Migration):
    dependencies = [
        ("remediation", "0011_stop_and_keep"),
        ("audit", "0002_writer"),
        ("account", "0009_emailaddress_unique_primary_email"),
        ("mfa", "0003_authenticator_type_uniq"),
        ("guardian", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations = [RunSQLFiles(SQL, ["people"])]
