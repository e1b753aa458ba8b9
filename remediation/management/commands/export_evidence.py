"""manage.py export_evidence PROPOSAL: export the gate's input for `manage.py verify_evidence`.

With --after STEP: of the moment when a run that waited after this step went on.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.execution import export_evidence


class Command(OperatorCommand):
    help = (
        "Writes the evidence file of an executed proposal: what was proposed, decided and"
        " observed, without credentials. Replay it elsewhere with verify_evidence."
    )
    process = "worker"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("proposal", metavar="PROPOSAL", type=UUID)
        parser.add_argument(
            "--after", metavar="STEP", type=int, help="the run waited after this step, from 1 on"
        )
        parser.add_argument("--output", metavar="FILE", type=Path, help="default: standard output")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        step: int | None = options["after"]
        content = export_evidence.export(
            actor=actor,
            proposal_id=options["proposal"],
            after=step - 1 if step is not None else None,
        )
        output: Path | None = options["output"]
        if output is None:
            sys.stdout.buffer.write(content)  # written as bytes: text output could change them
            return
        try:
            output.write_bytes(content)
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from error
        self.stdout.write(f"{output}: {len(content):,} bytes")
