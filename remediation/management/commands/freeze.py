"""manage.py freeze: stop or resume all execution."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from remediation.domain import instant
from remediation.management.operator import OperatorCommand
from remediation.services.actors import ProcessActor
from remediation.services.execution import freeze


class Command(OperatorCommand):
    help = "Stops all execution (on), resumes it (off), or shows the state (status)."
    process = "worker"

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name in ("on", "off"):
            action = actions.add_parser(name)
            action.add_argument(
                "reason", metavar="REASON", help="the reason in one line; it is recorded"
            )
        actions.add_parser("status")

    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        action = options["action"]
        if action == "on":
            freeze.freeze(actor=actor, reason=options["reason"])
        elif action == "off":
            freeze.lift(actor=actor, reason=options["reason"])
        now = freeze.status()
        if now.since is None:
            self.stdout.write("running")
            return
        state = "frozen" if now.frozen else "running"
        since = instant.dump(now.since)
        self.stdout.write(f"{state} since {since} by {now.actor}: {now.reason}")
