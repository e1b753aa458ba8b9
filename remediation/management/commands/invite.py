"""manage.py invite USER: print a one-time code for enrolling the first passkey."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.people import enroll


class Command(OperatorCommand):
    help = "Prints a one-time code, valid for 15 minutes. Pass it on through a channel you trust."
    process = "operator"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", metavar="USER")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        username = options["username"]
        code = enroll.invite(actor=actor, username=username)
        self.hint(f"{username} enters this code within 15 minutes at {settings.ORIGIN}/invite/")
        self.stdout.write(code)
