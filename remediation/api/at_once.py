"""Keep agents' reports from taking every thread of a web process (docs/attacks.md A83).

Reports are read, searched and masked in the threads that also serve pages. A report beyond the
limit is refused at once with 503 and Retry-After, before its body is read: it must not wait in a
thread. One agent never takes the last place, if there is more than one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from uuid import UUID

from django.conf import settings

from remediation.api.problems import Unavailable

_lock = Lock()
_held: Counter[UUID] = Counter()


@contextmanager
def place(agent_id: UUID) -> Iterator[None]:
    """Hold one of this process's places for reports. Raises Unavailable when none is free."""
    most = settings.REPORTS_AT_ONCE
    with _lock:
        if _held.total() >= most or _held[agent_id] >= max(1, most - 1):
            raise Unavailable("too many reports at once; send it again")
        _held[agent_id] += 1
    try:
        yield
    finally:
        with _lock:
            _held[agent_id] -= 1
            if not _held[agent_id]:
                del _held[agent_id]
