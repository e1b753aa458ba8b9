"""`manage.py audit_reopen`: continue the log under a new name after a stolen key or a restore."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from audit import log, reopening, tree
from audit.management import operator
from audit.origin import REOPENED, Start
from audit.tlog.errors import TlogError
from audit.tlog.head import HeadFile
from audit.tlog.note import VerifierKey
from audit.tlog.policy import Policy


class Command(BaseCommand):
    help = (
        "Record that the log continues under a new name and key, with the last head that an"
        " outsider saw under the old name. Stop the sequencer first; then start it with the new"
        " key, and with the file that this makes (--out) in place of its head file. Verifiers need"
        " the vkey of the new key. The head is checked first: with a policy that still names the"
        " old key, and with the stored tree."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--vkey", required=True, help="the new key; its name is the new origin")
        parser.add_argument(
            "--seen", type=Path, required=True, help="the last head that a witness or worker has"
        )
        parser.add_argument(
            "--out", type=Path, required=True, help="the file to make for the sequencer"
        )
        parser.add_argument("--reason", required=True)
        parser.add_argument(
            "--policy", type=Path, help="trusts the old name (default: HITL_AUDIT_POLICY_FILE)"
        )
        parser.add_argument(
            "--lost",
            action="store_true",
            help="declare that entries are lost: a witness saw a longer log than the database has",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        operator.need("worker")
        path = options["policy"] or settings.AUDIT_POLICY_FILE
        if not path:
            raise CommandError("name a policy: --policy or HITL_AUDIT_POLICY_FILE")
        try:
            vkey = VerifierKey.parse(options["vkey"])
            policy = Policy.parse(Path(path).read_text(encoding="utf-8"))
            seen = HeadFile(options["seen"]).read()
            if seen is None:
                raise CommandError(f"there is no file {options['seen']}")
            query = tree.query_of("default")
            found = reopening.checked(seen, policy, query, lost=options["lost"])
        except (TlogError, OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        head = found.head
        if head.origin == vkey.name:
            raise CommandError(f"the log is called {head.origin}; the new name must be another one")
        with transaction.atomic():
            entry = log.append(
                action=REOPENED,
                actor=operator.actor(),
                object=f"log:{vkey.name}",
                data={
                    "origin": vkey.name,
                    "vkey": str(vkey),
                    "previous": seen,
                    "reason": options["reason"],
                    **({"lost": found.lost} if found.lost else {}),
                },
            )
            # Before the commit: after a crash here the file names an entry that does not exist, so
            # the sequencer refuses it, and the command can be run again.
            _write(options["out"], Start.of(entry.body, found.rest))
        self.stdout.write(f"Recorded: {head.origin} at size {head.size} continues as {vkey.name}.")
        self.stdout.write(f"Put {options['out']} in place of the sequencer's head file.")


def _write(path: Path, start: Start) -> None:
    try:
        HeadFile(path).write(start.dump())
    except OSError as error:
        raise CommandError(f"--out {path}: {error.strerror}; nothing is recorded") from error
