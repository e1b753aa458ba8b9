"""`manage.py audit_reopen`: continue the log under a new name after a stolen key or a restore."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit import log
from audit.management import operator
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.note import Note, VerifierKey, from_bytes


class Command(BaseCommand):
    help = (
        "Record that the log continues under a new name and key, with the last head that an"
        " outsider saw under the old name. Stop the sequencer first; then start it with the new"
        " key, the new name and a new head file. Verifiers need the vkey of the new key."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--vkey", required=True, help="the new key; its name is the new origin")
        parser.add_argument(
            "--seen", type=Path, required=True, help="the last head that a witness or worker has"
        )
        parser.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        operator.need("worker")
        try:
            vkey = VerifierKey.parse(options["vkey"])
            seen = from_bytes(options["seen"].read_bytes())
            head = Checkpoint.parse(Note.parse(seen).text)
        except (TlogError, OSError) as error:
            raise CommandError(str(error)) from error
        if head.origin == vkey.name:
            raise CommandError(f"the log is called {head.origin}; the new name must be another one")
        with transaction.atomic():
            log.append(
                action="operator:log:reopened",
                actor=operator.actor(),
                object=f"log:{vkey.name}",
                data={
                    "origin": vkey.name,
                    "vkey": str(vkey),
                    "previous": seen,
                    "reason": options["reason"],
                },
            )
        self.stdout.write(f"Recorded: {head.origin} at size {head.size} continues as {vkey.name}.")
