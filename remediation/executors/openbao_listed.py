"""Wait until OpenBao has registered the tokens that it lists, so that reading one does not end it.

OpenBao stores a token, then its lease. Reading a token in between finds no lease, and OpenBao ends
the token at once: a consumer that has just signed in is refused. Seen with 2.7 by reading each
accessor as soon as it was listed: 336 of 1,068 tokens were ended; 20 ms later 2 of 886; 100 ms
later none.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

# Ten times the longest gap that was seen on a loaded machine.
SETTLED_SECONDS = 1.0
# So many accessors take a few megabytes.
MOST_KEPT = 20_000


class Listed:
    """When this process first saw each accessor in a list."""

    def __init__(self) -> None:
        self._first: dict[str, float] = {}

    def seconds_left(self, accessors: Iterable[str], now: float) -> float:
        """Note what a list that was answered at `now` has; return how long to wait with reading it.

        `now`: seconds of a clock that never goes back.
        """
        if len(self._first) > MOST_KEPT:
            self._first.clear()  # costs one wait
        firsts = [self._first.setdefault(one, now) for one in accessors]
        return max(0.0, max(firsts, default=now - SETTLED_SECONDS) + SETTLED_SECONDS - now)


# One for the process, which has many looks.
LISTED = Listed()


def let_settle(accessors: Iterable[str]) -> None:
    """Return when each of these, listed a moment ago, can be read without ending it."""
    time.sleep(LISTED.seconds_left(accessors, time.monotonic()))
