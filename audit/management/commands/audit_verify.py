"""`manage.py audit_verify`: rebuild the whole log from its entries and compare."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from audit import fsck
from audit.tlog.checkpoint import Checkpoint
from audit.tlog.errors import TlogError
from audit.tlog.note import Note, from_bytes
from audit.tlog.policy import Policy

BAR = 40


class Command(BaseCommand):
    help = "Verify every row of the log. Exit status: 0 it holds, 1 it does not, 2 unreadable."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--policy", type=Path, help="default: HITL_AUDIT_POLICY_FILE")
        parser.add_argument("--seen", type=Path, help="a head that you have (default: this host's)")

    def handle(self, *args: Any, **options: Any) -> None:
        policy, seen = _given(options)
        try:
            found = fsck.verify(policy, seen=seen, progress=self._progress)
        except TlogError as error:
            raise CommandError(f"DOES NOT HOLD: {error}", returncode=1) from error
        self.stdout.write(
            f"{found.size} entries, {found.nodes} nodes, {found.heads} heads, root"
            f" {found.root.hex()}\n{found.backlog} entries are not in the tree yet;"
            f" {found.opened} commitments open, {found.erased} erased"
            f"\n{len(found.forged)} entries are forged"
            f"\n{len(found.unsigned)} acts were not signed by the person that their entry names"
            + (f", the first is leaf {found.unsigned[0]}" if found.unsigned else "")
            + (
                ""
                if seen
                else "\nno head from elsewhere was given (--seen): a log cut short would go unseen"
            )
            + "\nHOLDS"
        )

    def _progress(self, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        filled = BAR * done // max(total, 1)
        self.stderr.write(
            f"\r[{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}",
            ending="\n" if done == total else "",
        )


def _given(options: dict[str, Any]) -> tuple[Policy, Checkpoint | None]:
    path = options["policy"] or settings.AUDIT_POLICY_FILE
    if not path:
        raise CommandError("name a policy: --policy or HITL_AUDIT_POLICY_FILE", returncode=2)
    head = options["seen"] or (settings.AUDIT_HEAD_FILE and Path(settings.AUDIT_HEAD_FILE))
    try:
        policy = Policy.parse(Path(path).read_text(encoding="utf-8"))
        if not head or not head.exists():
            return policy, None
        return policy, Checkpoint.parse(Note.parse(from_bytes(head.read_bytes())).text)
    except (OSError, TlogError) as error:
        raise CommandError(str(error), returncode=2) from error
