"""`manage.py export_bundle INCIDENT --output FILE`: export an incident's record with proofs."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError

from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.note import Note, from_bytes
from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.execution import export_bundle


class Command(OperatorCommand):
    help = "Write the evidence bundle of an incident; verify it with audit-verify.pyz."
    process = "worker"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("incident", type=UUID)
        parser.add_argument("--output", type=Path, help="default: standard output")
        parser.add_argument(
            "--seen",
            type=Path,
            help="a head that you have; the bundle proves that the log extends it",
        )
        parser.add_argument(
            "--without-artefacts", action="store_true", help="only digests of artefacts"
        )

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        made = export_bundle.make(
            options["incident"],
            actor=actor,
            seen=_seen(options["seen"]),
            with_artefacts=not options["without_artefacts"],
        )
        output: Path | None = options["output"]
        if output is None:
            sys.stdout.buffer.writelines(made)  # written as bytes: text output could change them
            return
        try:
            _write(output, made)
        except OSError as error:
            raise CommandError(f"{output}: {error.strerror}") from error
        self.hint(f"{output}: {made.octets:,} bytes")


def _write(output: Path, pieces: Iterable[bytes]) -> None:
    """Write the file atomically with mode 0600: it can contain names and addresses."""
    draft = output.with_name(f".{output.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.writelines(pieces)
        os.replace(draft, output)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _seen(path: Path | None) -> Checkpoint | None:
    if path is None:
        return None
    try:
        return Checkpoint.parse(Note.parse(from_bytes(path.read_bytes())).text)
    except (OSError, TlogError) as error:
        raise CommandError(f"{path}: {error}") from error
