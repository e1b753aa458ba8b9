"""manage.py rights: import rights from a CSV file; a dry run without --apply."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from remediation.domain.errors import BadValue
from remediation.management.inputs import collect
from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.people import import_rights


class Command(OperatorCommand):
    help = (
        "Shows which rights a CSV file (holder,right,on,name,change) would give and take; with"
        " --apply, does so. All rows or none."
    )
    process = "web"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        read = actions.add_parser("import", help="give and take the rights of a file")
        read.add_argument("path", metavar="FILE")
        read.add_argument("--apply", action="store_true", help="change the rights")
        read.add_argument(
            "--expect", metavar="DIGEST", default="",
            help="digest of the dry run that you read; refused if the changes differ now",
        )  # fmt: skip

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        files = collect([options["path"]], (".csv",))
        if len(files) != 1:
            raise BadValue("name one file of rights")
        content = files[0].content
        found = import_rights.prepare(actor=actor, content=content)
        for change in found.changes:
            self.stdout.write(import_rights.describe(change))
        for problem in found.problems:
            self.stderr.write(f"not possible, {problem}")
        self.stdout.write(
            f"{len(found.changes)} to change, {found.unchanged} as they are,"
            f" {len(found.problems)} not possible"
        )
        if not options["apply"]:
            self.stdout.write(f"digest {found.digest}")
            self.hint("This was a dry run. Nothing was changed. Use --apply to change the rights.")
            return
        digest = options["expect"] or found.digest
        import_rights.apply(actor=actor, content=content, digest=digest)
        self.stdout.write(f"applied {digest}")
