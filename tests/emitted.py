"""Every entry that the product appends in a test is asked whether its source is its actor's kind.

`agent:proposal:submitted` is said by an agent and by nobody else (house rule 8). What tests append
by themselves is not asked: they play what a rogue writer could do.
"""

from __future__ import annotations

import sys
from typing import Any

from audit import log

PRODUCT = ("remediation.", "audit.", "hitlportal.")
# The calls of the product that were asked; a test compares that it is not empty.
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
