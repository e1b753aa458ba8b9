"""`manage.py audit_export`: export the whole log for verification elsewhere."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit import export, formats, log
from audit.management import operator
from audit.tlog.errors import TlogError
from audit.tlog.policy import Policy

VIEWS = {"jsonl": formats.jsonl, "csv": formats.csv_rows, "ocsf": formats.ocsf}


class Command(BaseCommand):
    help = "Write the log as a C2SP tlog-tiles directory, or a view of it to one file."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", type=Path, help="a directory or file that does not exist yet")
        parser.add_argument("--format", choices=("tiles", *VIEWS), default="tiles")

    def handle(self, *args: Any, **options: Any) -> None:
        operator.need("worker")
        path, kind = options["path"], options["format"]
        if path.exists():
            raise CommandError(f"{path} exists already")
        try:
            policy = Policy.parse(Path(settings.AUDIT_POLICY_FILE).read_text(encoding="utf-8"))
            head = export.head(policy)
            # Recorded before the first byte is written.
            with transaction.atomic():
                log.append(
                    action="operator:audit:exported",
                    actor=operator.actor(),
                    object="log:all",
                    data={"format": kind, "size": head.checkpoint.size},
                )
            if kind == "tiles":
                export.write_directory(path, policy, progress=self._progress)
            else:
                with path.open("xb") as file:
                    for piece in VIEWS[kind](export.lines(head.checkpoint.size)):
                        file.write(piece)
        except (TlogError, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{path}: {head.checkpoint.size} entries")

    def _progress(self, done: int, total: int) -> None:
        if sys.stderr.isatty():
            self.stderr.write(f"\r{done}/{total}", ending="\n" if done == total else "")
