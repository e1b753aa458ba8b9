"""Check in every test that the source of each appended entry is its actor's kind.

Only an agent may emit `agent:proposal:submitted` (house rule 8). Entries that tests append
themselves are not checked: they stand for a rogue writer.
"""

from __future__ import annotations

import sys
from typing import Any

from audit import log

PRODUCT = ("remediation.", "audit.", "hitlportal.")
# The checked calls of the product; a test requires that this is not empty.
asked: set[tuple[str, str]] = set()


class WrongSource(AssertionError):
    """An entry's event names another source than its actor's kind."""


def patch() -> None:
    """Wrap `audit.log.append` for this process."""
    append = log.append

    def asking(*, action: str, actor: str, **rest: Any) -> log.Appended:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        if caller.startswith(PRODUCT):
            source, kind = action.partition(":")[0], actor.partition(":")[0]
            if source != kind:
                raise WrongSource(f"{caller} appends {action} for {actor}")
            asked.add((action, kind))
        return append(action=action, actor=actor, **rest)

    log.append = asking
