"""`manage.py audit_key`: generate and show keys of the log or a witness, announce a new one."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit import log, signing
from audit.management import operator
from audit.tlog.errors import TlogError
from audit.tlog.note import COSIGNATURE, ED25519, VerifierKey


class Command(BaseCommand):
    help = (
        "generate: create a key; show: print a key's public key; rotate: record that another key"
        " signs the log, too."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        generate = verbs.add_parser("generate")
        generate.add_argument("--origin", required=True, help="the log's name, such as host/audit")
        generate.add_argument("--out", type=Path, required=True, help="the new file, mode 0400")
        generate.add_argument("--witness", action="store_true", help="a key that cosigns")
        show = verbs.add_parser("show")
        show.add_argument("uri", help="file:PATH, env:NAME or transit:URL#NAME")
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
        kind = COSIGNATURE if options["witness"] else ED25519
        secret, vkey = signing.generate(options["origin"], kind)
        try:
            descriptor = os.open(options["out"], os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
        except OSError as error:
            raise CommandError(f"{options['out']}: {error.strerror}") from error
        with os.fdopen(descriptor, "w") as file:
            file.write(secret + "\n")
        self.stdout.write(vkey)

    def _show(self, options: dict[str, Any]) -> None:
        self.stdout.write(str(signing.load(options["uri"]).vkey))

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
