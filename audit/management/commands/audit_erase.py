"""`manage.py audit_erase`: erase values behind commitments of the log, by two people."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from audit.erase import EraseRefused, erase
from audit.management import operator


class Command(BaseCommand):
    help = (
        "Erase salt and value behind commitments; the entries stay. The auditors' page of an"
        " entry shows its commitments. Runs as HITL_PROCESS=eraser, which can do nothing else."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("commitments", nargs="+", metavar="HEX")
        parser.add_argument("--ground", required=True, help="the legal ground, in words")
        parser.add_argument("--by", required=True, help="who erases")
        parser.add_argument("--second", required=True, help="the second person responsible")

    def handle(self, *args: Any, **options: Any) -> None:
        operator.need("eraser")
        try:
            count = erase(
                options["commitments"],
                actor=operator.actor(),
                ground=options["ground"],
                by=options["by"],
                second=options["second"],
            )
        except EraseRefused as error:
            raise CommandError(f"refused, {error}") from error
        self.stdout.write(f"{count} erased and recorded")
