"""Run a worker process that sees one of two logs; for test_inclusion.py.

`python -m tests.services.execution.two_logs HEAD POLICY SIDE` reads, judges and keeps one head as
the real worker does; only the database that it reads is made up. It says `judging` while it holds
what it read, goes on when it gets a line, and says how it ended.
"""

from __future__ import annotations

import os
import sys


def main(head: str, policy: str, side: str) -> None:
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "hitlportal.placeholder_settings"
    django.setup()
    from django.conf import settings

    from audit import inclusion as log
    from audit.tlog.checkpoint import Checkpoint
    from remediation.domain.errors import GateRefused
    from remediation.domain.gate.case import Case
    from remediation.domain.gate.steps import inclusion as step_7
    from remediation.services.execution import inclusion
    from tests.domain import record
    from tests.domain.story import NOW, Story, approvers

    settings.AUDIT_HEAD_FILE, settings.AUDIT_POLICY_FILE = head, policy
    settings.AUDIT_WAIT_MS = 20_000
    evidence = Story().evidence()
    book, needed = record.told(evidence)
    book.add("worker:notice:sent", "worker:t", f"side:{side}", {})

    def shown(*_: object, seen: Checkpoint | None, **__: object) -> log.Included:
        given = book.prove(needed, seen=seen.size if seen is not None else 0)
        print("judging", flush=True)
        sys.stdin.readline()
        entries = tuple(log.Proven(e.index, e.body.encode(), e.proof) for e in given.entries)
        return log.Included(given.checkpoint, entries, given.consistency)

    setattr(log, "prove", shown)  # noqa: B010 - mypy knows the real one
    setattr(inclusion, "_needed", lambda _: needed)  # noqa: B010
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with inclusion.judging(None, lambda: evidence) as judged:  # type: ignore[arg-type]
            found = judged.evidence
            step_7(Case(found, approvers(), NOW, None, None, frozenset(), False, judged.trust))
    except GateRefused as refusal:
        print(refusal.name, flush=True)
    else:
        print("accepted", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
