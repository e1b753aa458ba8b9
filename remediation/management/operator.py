"""The base of all operator commands that change something."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from remediation.domain import inert
from remediation.domain.errors import Refused
from remediation.domain.events import Event
from remediation.services.access import record_refusal
from remediation.services.actors import ProcessActor, operator


class OperatorCommand(BaseCommand):
    """A command of an operator; the actor is the operating system's account.

    A refusal is recorded after its transaction rolled back and before it is printed.
    """

    # The process whose database login the command uses; this login limits what the command can do.
    process = ""
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if self.process != settings.PROCESS:
            raise CommandError(
                f"run this with the settings of the {self.process} process"
                f" (HITL_PROCESS={self.process} and its database login), not of {settings.PROCESS}"
            )
        actor = operator()
        try:
            self.act(actor, options)
        except Refused as refusal:
            record_refusal.record(
                actor=actor,
                event=Event.OPERATOR_REQUEST_REFUSED,
                error=refusal,
                object=f"command:{type(self).__module__.rsplit('.', 1)[-1]}",
            )
            raise CommandError(f"refused, {inert.line(str(refusal))}") from refusal

    @abstractmethod
    def act(self, actor: ProcessActor, options: dict[str, Any]) -> None:
        """Run the command. Raises Refused."""

    def hint(self, text: str) -> None:
        """Print a hint for the operator to stderr, not for scripts that read the output."""
        self.stderr.write(text, style_func=lambda plain: plain)
