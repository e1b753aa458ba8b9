"""The operator's door: what every command that changes something has in common."""

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
    """A command of an operator, who is the account that the operating system names.

    A refusal goes on record after its transaction rolled back, before it is printed.
    """

    # Which process login the command needs: what that login may not do, the command cannot.
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
        """What the command does; raises Refused."""

    def hint(self, text: str) -> None:
        """What is for the operator's eyes and not for a script that reads the output."""
        self.stderr.write(text, style_func=lambda plain: plain)
