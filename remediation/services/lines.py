"""Write one line of the process log for each fact that an operator looks for, with its ids.

All lines that the product writes about its work are named here. A line has ids and words of closed
lists, never text: what agents, targets and people write may hold a secret. The audit log is the
record; a line only helps to find the place in it.
"""

from __future__ import annotations

import logging
import re
from contextvars import ContextVar
from enum import StrEnum
from uuid import UUID

from django.db import transaction

logger = logging.getLogger("hitlportal.lines")

# The request that this thread answers; "" in a worker or command.
request_id: ContextVar[str] = ContextVar("request_id", default="")

# An id, a reference such as person:<uuid> or operator:uma@host, or a word of a closed list.
PRINTABLE = re.compile(r"[A-Za-z0-9_.:@-]{1,120}")


class Line(StrEnum):
    """Every kind of line."""

    RULED = "proposal.ruled"
    MOVED = "proposal.moved"
    STEP = "run.step"
    REFUSED = "refused"
    UNOBSERVED = "target.unobserved"


# Lines that somebody should see; the others are only information.
WARNINGS = frozenset({Line.REFUSED, Line.UNOBSERVED})


def say(line: Line, **ids: object) -> None:
    """Write the line after the current transaction commits; outside of one, at once.

    ``ids`` are UUIDs, numbers, and words of closed lists; None and "" are left out, and a value
    that is no id is written as ``?``. Never raises: a log that cannot be written must not turn a
    success into an error. A transaction that rolls back writes no line.
    """
    if request := request_id.get():
        ids["request"] = request

    def write() -> None:  # Django names a failed callback by its function, which a partial has not
        _write(line, ids)

    transaction.on_commit(write, robust=True)


def _write(line: Line, ids: dict[str, object]) -> None:
    said = {name: _printable(value) for name, value in ids.items() if value not in (None, "")}
    words = " ".join(f"{name}={value}" for name, value in said.items())
    level = logging.WARNING if line in WARNINGS else logging.INFO
    logger.log(level, "%s %s", line, words, extra={"line": str(line), "ids": said})


def _printable(value: object) -> int | str:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, UUID):
        return str(value)
    return str(value) if isinstance(value, str) and PRINTABLE.fullmatch(value) else "?"
