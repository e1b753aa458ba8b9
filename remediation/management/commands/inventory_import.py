"""manage.py inventory_import: import files into the inventory; a dry run without --apply."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from remediation.domain.intake import report
from remediation.domain.intake.reading import FORMATS
from remediation.domain.intake.stated import ENVIRONMENTS, Options
from remediation.management.inputs import collect
from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.inventory import import_files

YAML = (".yaml", ".yml")


class Command(OperatorCommand):
    help = (
        "Shows what files would change in the inventory; with --apply, changes it. Facts missing"
        " in a file stay as they are; for new objects they get the strictest value."
    )
    process = "web"

    def add_arguments(self, parser: CommandParser) -> None:
        formats = tuple(FORMATS)
        parser.add_argument("format", metavar="FORMAT", choices=formats, help=", ".join(formats))
        parser.add_argument("paths", metavar="PATH", nargs="+", help="files, or directories")
        parser.add_argument("--cluster", default="", help="the cluster of Kubernetes files")
        parser.add_argument(
            "--environment", default="", choices=("", *ENVIRONMENTS),
            help="environment of new services whose file names none (default: production)",
        )  # fmt: skip
        parser.add_argument(
            "--complete", action="store_true",
            help="the files list everything: services missing in them are retired, and missing"
            " dependencies between services are removed",
        )  # fmt: skip
        parser.add_argument("--apply", action="store_true", help="change the inventory")
        parser.add_argument(
            "--loosen", action="store_true",
            help="allow changes that make the inventory less strict; refused without it",
        )  # fmt: skip
        parser.add_argument(
            "--expect", metavar="DIGEST", default="",
            help="digest of the dry run that you read; refused if the changes differ now",
        )  # fmt: skip
        parser.add_argument("--all", action="store_true", help="list all changes")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        suffixes = (".csv",) if options["format"] == "csv" else YAML
        asked: dict[str, Any] = {
            "actor": actor,
            "format": options["format"],
            "files": collect(options["paths"], suffixes),
            "options": Options(options["cluster"], options["environment"], options["complete"]),
        }
        found = import_files.prepare(**asked)
        for line in report.lines(found.changes, most=None if options["all"] else 20):
            self.stdout.write(line)
        if not found.changes.changes:
            return
        if not options["apply"]:
            self.stdout.write(f"digest {found.digest}")
            self.hint("This was a dry run. Nothing was changed. Use --apply to import.")
            return
        import_files.apply(
            **asked, digest=options["expect"] or found.digest, loosen=options["loosen"]
        )
        self.stdout.write(f"applied {found.digest}")
