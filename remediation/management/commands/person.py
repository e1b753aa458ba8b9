"""manage.py person: create the first accounts, and reset one after a passkey was lost."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.people import accounts, enroll


class Command(OperatorCommand):
    help = "Creates an account (add), or removes its passkeys and password (reset)."
    process = "operator"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="create an account; invite its person next")
        add.add_argument("username", metavar="USER")
        add.add_argument("--email", default="")
        add.add_argument("--first-name", default="")
        add.add_argument("--last-name", default="")
        add.add_argument(
            "--group", dest="groups", action="append", default=[], metavar="GROUP",
            help=f"{', '.join(sorted(accounts.BUILT_IN))}, or one that exists",
        )  # fmt: skip
        reset = actions.add_parser("reset", help="the person lost every passkey")
        reset.add_argument("username", metavar="USER")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        username = options["username"]
        if options["action"] == "add":
            self.add(actor, username, options)
        else:
            self.reset(actor, username)

    def add(self, actor: ProcessActor, username: str, options: dict[str, Any]) -> None:
        facts = accounts.PersonFacts(
            email=options["email"],
            first_name=options["first_name"],
            last_name=options["last_name"],
            groups=frozenset(options["groups"]),
        )
        user = accounts.create(actor=actor, username=username, facts=facts)
        self.stdout.write(str(user.person))
        self.hint(f"{username} has an account; next: manage.py invite {username}")

    def reset(self, actor: ProcessActor, username: str) -> None:
        for fingerprint in enroll.reset(actor=actor, username=username):
            self.stdout.write(f"removed: {fingerprint}")
        self.hint(
            f"next: manage.py invite {username}; and on the worker's host,"
            f" if {username} approves: manage.py approver remove {username}"
        )
