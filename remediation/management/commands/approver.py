"""manage.py approver: edit the keys that may approve or halt; on the worker's host only."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from remediation.domain import instant
from remediation.domain.gate.approvers import Approver
from remediation.domain.policy import ROLES
from remediation.domain.slots import KEY_ROLES
from remediation.management.operator import OperatorCommand
from remediation.services import approvers_file
from remediation.services.access import authorize
from remediation.services.actors import ProcessActor
from remediation.services.people import approvers


class Command(OperatorCommand):
    help = "Adds, removes or lists entries of the approvers file (HITL_APPROVERS_FILE)."
    process = "worker"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="let a person approve with an enrolled passkey")
        add.add_argument("username", metavar="USER")
        add.add_argument(
            "--key", metavar="FINGERPRINT", required=True, nargs="+",
            help="all 32 digits, compared with the person outside the portal",
        )  # fmt: skip
        add.add_argument("--role", dest="roles", action="append", required=True, choices=KEY_ROLES)
        add.add_argument(
            "--until", metavar="TIME", default="", help="2027-01-31 or RFC 3339 in UTC"
        )
        remove = actions.add_parser("remove", help="remove one entry, or all of a person")
        remove.add_argument("username", metavar="USER", help="or the person's id")
        remove.add_argument("--key", metavar="FINGERPRINT", nargs="+", default=[])
        actions.add_parser("list")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        if not settings.APPROVERS_FILE:
            raise CommandError("HITL_APPROVERS_FILE is not set")
        path = Path(settings.APPROVERS_FILE).resolve()
        actions = {"add": self.add, "remove": self.remove, "list": self.show}
        actions[options["action"]](actor, path, options)

    def add(self, actor: ProcessActor, path: Path, options: dict[str, Any]) -> None:
        username, roles = options["username"], tuple(options["roles"])
        added = approvers.add(
            actor=actor,
            path=path,
            username=username,
            key=" ".join(options["key"]),
            roles=roles,
            until=_instant(options["until"]) if options["until"] else None,
        )
        self.stdout.write(f"added: {_line(added, username)}")
        missing = set(roles) & set(ROLES) - authorize.approver_roles(UUID(added.person))
        if missing:
            # A hint and no refusal: the role may still be given in the database later.
            self.hint(
                f"{username} cannot approve yet: not in the group {', '.join(sorted(missing))}"
            )

    def remove(self, actor: ProcessActor, path: Path, options: dict[str, Any]) -> None:
        username = options["username"]
        key = " ".join(options["key"])
        for entry in approvers.remove(actor=actor, path=path, username=username, key=key):
            self.stdout.write(f"removed: {_line(entry, username)}")

    def show(self, actor: ProcessActor, path: Path, options: dict[str, Any]) -> None:
        names = approvers.usernames()
        for entry in approvers_file.load(path).entries:
            self.stdout.write(_line(entry, names.get(entry.person, entry.person)))


def _line(entry: Approver, name: str) -> str:
    until = f" until {instant.dump(entry.until)}" if entry.until else ""
    return (
        f"{name}  {entry.fingerprint}  {', '.join(entry.roles)}"
        f"  since {instant.dump(entry.since)}{until}  {entry.origin}"
    )


def _instant(text: str) -> datetime:
    """Parse a day (its first moment in UTC) or RFC 3339. Raises BadValue."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return instant.parse(text)
