"""Create logins and database, once, as superuser (`hitlportal install_roles`)."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hitlportal import env, login_addresses, roles


class Command(BaseCommand):
    help = (
        "Creates the logins hitl_* and the portal's database. Reads HITL_SUPERUSER_DATABASE_URL "
        "(any database of the cluster), and no other setting. Writes one password file for each "
        "login that has none, and with --credentials the address that each process wants."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--passwords", type=Path, required=True, help="a directory, mode 0700")
        parser.add_argument(
            "--credentials", type=Path, help="a directory; writes PROCESS/HITL_DATABASE_URL there"
        )
        parser.add_argument("--address", help="HOST:PORT for them (that of the superuser's URL)")
        parser.add_argument("--database", default="hitlportal", help="its name (hitlportal)")

    def handle(self, *args: Any, passwords: Path, database: str, **options: Any) -> None:
        superuser = env.secret("HITL_SUPERUSER_DATABASE_URL")
        place = options["address"] or login_addresses.place_of(superuser)
        if options["credentials"] and not place:
            raise CommandError("say --address HOST:PORT: the superuser's URL names no host")
        known = read_or_make(passwords)
        roles.create_logins(superuser, known)
        roles.create_database(superuser, database)
        parts = urlsplit(superuser)
        roles.narrow_database(urlunsplit(parts._replace(path=f"/{database}")), database)
        if options["credentials"]:
            for done in login_addresses.write(options["credentials"], known, place, database):
                self.stdout.write(done)
        self.stdout.write(
            f"Logins and database {database} are ready; now run migrate, then install_grants."
        )


def read_or_make(directory: Path) -> dict[str, str]:
    """Return each login's password from ``directory/<login>``; create missing files (0600)."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {}
    for login in roles.PROCESS_LOGINS:
        path = directory / login
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(32), encoding="ascii")
        found[login] = path.read_text(encoding="ascii").strip()
    return found
