"""Say what is wrong with this installation and what to do (`hitlportal doctor`)."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from hitlportal import doctor
from remediation.domain import inert


class Command(BaseCommand):
    help = (
        "Asks database, broker, cache, files, log, queues and rights, and says for each thing that"
        " is wrong what to do. Status 0: nothing is wrong; 1: something is. Run it as worker."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PROCESS != "worker":
            raise CommandError("run this as HITL_PROCESS=worker: it needs the most, and may ask it")
        found = list(doctor.examine())
        for each in found:
            self.stdout.write(f"WRONG  {inert.line(each.wrong)}")
            self.stdout.write(f"       {inert.line(each.to_do)}")
        if found:
            sys.exit(1)
        self.stdout.write("Nothing is wrong.")
