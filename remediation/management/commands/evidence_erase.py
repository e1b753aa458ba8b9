"""manage.py evidence_erase: erase the bytes of artefacts on a legal ground, by two people."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.reporting import secrets


class Command(OperatorCommand):
    help = (
        "Erases the bytes of artefacts by SHA-256. Their digest and all entries are kept, and the"
        " same bytes are never stored again. Backups are not changed; they expire on their own."
    )
    process = "eraser"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("digests", nargs="+", metavar="SHA256")
        parser.add_argument("--ground", required=True, help="the legal ground")
        parser.add_argument("--by", required=True, help="who erases")
        parser.add_argument("--second", required=True, help="the second responsible person")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        erased = secrets.erase(
            actor=actor,
            digests=options["digests"],
            ground=options["ground"],
            by=options["by"],
            second=options["second"],
        )
        for incident_id, count in erased.items():
            self.stdout.write(f"incident {incident_id}: {count} erased and recorded")
