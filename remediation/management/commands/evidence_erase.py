"""manage.py evidence_erase: take the bytes of artefacts away under law, by two people named."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.reporting import secrets


class Command(OperatorCommand):
    help = (
        "Erases the bytes of artefacts by SHA-256; that they were handed in, their digest and every"
        " entry stay, and the same bytes are not stored again. Backups age out on their own."
    )
    process = "eraser"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("digests", nargs="+", metavar="SHA256")
        parser.add_argument("--ground", required=True, help="the legal ground, in words")
        parser.add_argument("--by", required=True, help="who erases")
        parser.add_argument("--second", required=True, help="who else answers for it")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        erased = secrets.erase(
            actor=actor,
            digests=options["digests"],
            ground=options["ground"],
            by=options["by"],
            second=options["second"],
        )
        for incident_id, count in erased.items():
            self.stdout.write(f"incident {incident_id}: {count} erased, and on record")
