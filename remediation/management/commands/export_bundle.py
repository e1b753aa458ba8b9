"""`manage.py export_bundle INCIDENT --output FILE`: everything about an incident, with proofs."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.note import Note, from_bytes
from remediation.management.operator import OperatorCommand
from remediation.services import bundle
from remediation.services.actors import ProcessActor


class Command(OperatorCommand):
    help = "Write the evidence bundle of an incident; verify it with audit-verify.pyz."
    process = "worker"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("incident", type=UUID)
        parser.add_argument("--output", type=Path, help="the file; without it, standard output")
        parser.add_argument(
            "--seen", type=Path, help="a head of yours: the bundle proves the way from it"
        )
        parser.add_argument(
            "--without-artefacts", action="store_true", help="digests of the artefacts only"
        )

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        made = bundle.make(
            options["incident"],
            actor=actor,
            seen=_seen(options["seen"]),
            with_artefacts=not options["without_artefacts"],
        )
        if options["output"] is None:
            sys.stdout.buffer.write(made)
            return
        options["output"].write_bytes(made)
        self.hint(f"{options['output']}: {len(made)} bytes")


def _seen(path: Path | None) -> Checkpoint | None:
    if path is None:
        return None
    try:
        return Checkpoint.parse(Note.parse(from_bytes(path.read_bytes())).text)
    except (OSError, TlogError) as error:
        raise CommandError(f"{path}: {error}") from error
