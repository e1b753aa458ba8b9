"""manage.py rights: list, give and take rights, one or those of a CSV file; all rows or none."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from remediation.domain import inert
from remediation.domain.errors import BadValue
from remediation.domain.intake import rights as table
from remediation.management.inputs import collect
from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.people import import_rights, object_rights


class Command(OperatorCommand):
    help = (
        "Lists, gives and takes rights: `give alice review team payments`, or `--csv FILE` with"
        " the columns holder,right,on,name. All rows or none, and all faults are named at once."
        " `import FILE` shows first what a file would change."
    )
    process = "operator"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        shown = actions.add_parser("list", help="show every right that was given")
        shown.add_argument("--csv", action="store_true", help="as a file that `give --csv` takes")
        for verb in table.CHANGES:
            one = actions.add_parser(verb, help=f"{verb} a right, or those of a file")
            one.add_argument("holder", nargs="?", help="a user name, or group:NAME")
            one.add_argument("right", nargs="?", help=" or ".join(table.RIGHTS))
            one.add_argument("on", nargs="?", help=", ".join(table.KINDS))
            one.add_argument("name", nargs="?", help="of the service, team or environment")
            one.add_argument("--csv", metavar="FILE", default="", help="instead of the four words")
        read = actions.add_parser("import", help="give and take the rights of a file")
        read.add_argument("path", metavar="FILE")
        read.add_argument("--apply", action="store_true", help="change the rights")
        read.add_argument(
            "--expect", metavar="DIGEST", default="",
            help="digest of the dry run that you read; refused if the changes differ now",
        )  # fmt: skip

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        if options["action"] == "list":
            self._list(as_csv=options["csv"])
        elif options["action"] == "import":
            self._import(actor, options)
        else:
            self._change(actor, options)

    def _list(self, *, as_csv: bool) -> None:
        rows = [
            (
                f"group:{right.group}" if right.group else right.holder,
                import_rights.WORDS[right.right],
                right.place.kind,
                right.place.name,
            )
            for right in object_rights.all_rights()
        ]
        if not as_csv:
            for row in rows:
                self.stdout.write(inert.line(" ".join(row)))
            return
        for row in filter(table.runs, rows):
            self.stderr.write(f"left out, a spreadsheet would run it: {inert.line(' '.join(row))}")
        kept = [row for row in rows if not table.runs(row)]
        self.stdout.write(table.write(kept), ending="")

    def _change(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        words = [options[cell] for cell in table.COLUMNS]
        if bool(options["csv"]) == any(words) or (any(words) and not all(words)):
            raise CommandError("say HOLDER RIGHT ON NAME, or --csv FILE")
        verb = options["action"]
        content = _one(options["csv"]) if options["csv"] else table.write([words]).encode()
        found = import_rights.prepare(actor=actor, content=content, only=verb)
        if found.problems:
            for problem in found.problems:
                self.stderr.write(f"not possible, {inert.line(str(problem))}")
            raise BadValue(f"{len(found.problems)} rows are not possible; nothing was changed")
        import_rights.apply(actor=actor, content=content, digest=found.digest, only=verb)
        for change in found.changes:
            self.stdout.write(inert.line(import_rights.describe(change)))
        self.stdout.write(f"{len(found.changes)} changed, {found.unchanged} as they are")

    def _import(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        content = _one(options["path"])
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


def _one(path: str) -> bytes:
    files = collect([path], (".csv",))
    if len(files) != 1:
        raise BadValue("name one file of rights")
    return files[0].content
