"""`manage.py audit_key`: generate and show keys of the log or a witness, announce a new one."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit import keys, log
from audit.management import operator
from audit.tlog.errors import TlogError
from audit.tlog.note import VerifierKey


class Command(BaseCommand):
    help = (
        "generate: create a key; show: print a key's public key; rotate: record that another key"
        " signs the log, too."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        keys.add_arguments(verbs)
        rotate = verbs.add_parser("rotate")
        rotate.add_argument("--old", required=True, help="the vkey in use")
        rotate.add_argument("--new", required=True, help="the vkey that signs, too, from now on")
        rotate.add_argument("--reason", required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, "_" + options["verb"])(options)
        except TlogError as error:
            raise CommandError(str(error)) from error

    def _generate(self, options: dict[str, Any]) -> None:
        try:
            vkey = keys.generate(options["origin"], options["out"], witness=options["witness"])
        except OSError as error:
            raise CommandError(f"{options['out']}: {error.strerror}") from error
        self.stdout.write(vkey)

    def _show(self, options: dict[str, Any]) -> None:
        self.stdout.write(keys.show(options["uri"]))

    def _rotate(self, options: dict[str, Any]) -> None:
        """Record the new key in an entry that the old key signs, so that verifiers learn it."""
        operator.need("worker")
        old, new = VerifierKey.parse(options["old"]), VerifierKey.parse(options["new"])
        if old.name != new.name or old == new:
            raise CommandError("the new key must have the log's name and differ from the old key")
        with transaction.atomic():
            log.append(
                action="operator:log_key:rotated",
                actor=operator.actor(),
                object=f"log:{old.name}",
                data={"old": str(old), "new": str(new), "reason": options["reason"]},
            )
        self.stdout.write(
            "Recorded. Now add the new key to every policy file, and give the sequencer both keys\n"
            "(HITL_AUDIT_KEY, HITL_AUDIT_KEY_NEXT). When every verifier has the new key, let it\n"
            "sign alone and remove the old key from the policy files."
        )
