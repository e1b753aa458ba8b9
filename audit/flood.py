"""Notice that one login writes far more entries than work makes (docs/attacks.md A89).

Entries cannot be taken away, so a login that somebody took over can fill the disk. The database
stamps each entry with its login, and the sequencer sees each entry once, by its own clock. It
tells; it does not stop, because an entry that is refused would hide what it is about.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, deque
from collections.abc import Iterable

logger = logging.getLogger(__name__)

# A proposal makes some twenty entries, so this is sixty of them a minute.
WINDOW_S, ENTRIES = 300.0, 6_000
_WRITER = re.compile(rb'"writer":"([A-Za-z0-9_]{1,63})"\}\Z')


class Flood:
    """Counts entries by login over a sliding window; memory grows with turns, not with entries."""

    def __init__(self, entries: int = ENTRIES, window: float = WINDOW_S) -> None:
        self._entries, self._window = entries, window
        self._turns: deque[tuple[float, Counter[str]]] = deque()
        self._sums: Counter[str] = Counter()
        self._told: dict[str, float] = {}

    def count(self, bodies: Iterable[bytes], now: float) -> list[str]:
        """Add the entries of one turn at monotonic ``now``; return the logins told of.

        Writes one line for each login over the limit, and again after a window of silence.
        """
        turn = Counter(login_of(body) for body in bodies)
        self._turns.append((now, turn))
        self._sums.update(turn)
        while self._turns[0][0] <= now - self._window:
            self._sums.subtract(self._turns.popleft()[1])
        told = [login for login in turn if self._is_new(login, now)]
        for login in told:
            self._told[login] = now
            logger.error(
                "entry_flood: login %s wrote %s entries within %.0f s, more than %s",
                login, self._sums[login], self._window, self._entries,
            )  # fmt: skip
        return told

    def _is_new(self, login: str, now: float) -> bool:
        last = self._told.get(login)
        return self._sums[login] > self._entries and (last is None or now - last >= self._window)


def login_of(body: bytes) -> str:
    """Return the login that the database stamped on an entry; "unknown" for an older one."""
    found = _WRITER.search(body[-80:])
    return found[1].decode() if found else "unknown"
