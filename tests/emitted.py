"""Check and place each entry that a test appends.

Only an agent may emit `agent:proposal:submitted` (house rule 8), so in every test the source of
each entry of the product is its actor's kind. Entries that tests append themselves are not checked
here: they stand for a rogue writer, whom the database's guard refuses.

Tests run services of every process on one connection, which is hitl_owner's. There, an entry is
written with the role of the process that would write it. A login other than hitl_owner (a real
one, or by `as_login`) writes as it is.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from audit import log
from remediation.domain.events import Event
from remediation.domain.writers import OWNER, WRITERS, may_write

PRODUCT = ("remediation.", "audit.", "hitlportal.")
# The checked calls of the product; a test requires that this is not empty.
asked: set[tuple[str, str]] = set()
# The role changes and returns inside the one statement, so that queries can still be counted. Both
# changes end with the transaction if it fails.
AS_THE_PROCESS = """
INSERT INTO audit.entry (body)
SELECT %s::bytea FROM (
  SELECT set_config('tests.before', current_user, true),
         CASE WHEN current_user = 'hitl_owner' THEN set_config('role', %s, true) END
  OFFSET 0) AS played
RETURNING id, current_user::text, set_config('role', current_setting('tests.before'), true)
"""


class WrongSource(AssertionError):
    """An entry's event names another source than its actor's kind."""


def patch() -> None:
    """Wrap `audit.log.append` and the insert below it for this process."""
    append, store = log.append, log.store

    def asking(*, action: str, actor: str, **rest: Any) -> log.Appended:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        if caller.startswith(PRODUCT):
            source, kind = action.partition(":")[0], actor.partition(":")[0]
            if source != kind:
                raise WrongSource(f"{caller} appends {action} for {actor}")
            asked.add((action, kind))
        return append(action=action, actor=actor, **rest)

    def placing(cursor: Any, body: bytes) -> tuple[int, str]:
        login = writer_of(str(json.loads(body)["action"]))
        if not login:
            return store(cursor, body)
        cursor.execute(AS_THE_PROCESS, [body, login])
        entry, writer, _ = cursor.fetchone()
        return entry, writer

    log.append, log.store = asking, placing


def writer_of(action: str) -> str:
    """Return the login of the process that writes this event; "" if there is none."""
    if action not in set(Event):
        return ""
    return next((one for one in WRITERS if one != OWNER and may_write(one, Event(action))), "")
