"""Mark a row of the outbox as taken for as long as its work runs, in the shared cache.

The mark says who holds it, and its holder renews it. A worker that is killed renews nothing, so its
mark ends within HELD_S. A worker that stood still may find another's mark: it leaves that alone.
The mark only saves work twice. What keeps an effect from happening twice stands in the database.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# A worker that is killed with a mark delays its row by so much.
HELD_S = 10.0
RENEWED_S = HELD_S / 2
# For a renewal that goes on while the work ends. One that comes later only renews its own mark.
JOIN_S = 1.0
# One step, so that no other worker comes between the comparison and the writing. An absent mark is
# taken anew: it ran out, or the cache lost it, and nobody else has the row.
WRITE = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""


class Mark:
    """A mark on one row, with this worker as its holder if `take` says so."""

    def __init__(self, name: str) -> None:
        store: Any = cache  # the stubs do not know the client of this backend
        self._key = store.make_and_validate_key(name)
        # Shared with the renewing thread; Django's cache would give it a connection of its own.
        self._client = store._cache.get_client(self._key, write=True)
        self._holder = str(secrets.randbits(62))

    def take(self) -> bool:
        """Return whether nobody else holds it; True when the cache does not answer."""
        try:
            return bool(self._client.set(self._key, self._holder, px=_ms(HELD_S), nx=True))
        except RedisError as error:
            logger.warning("the cache does not answer, nothing is marked as taken: %s", error)
            return True

    def write(self, seconds: float) -> bool:
        """Let it last for so long from now, unless another holds it; return whether none does."""
        try:
            return bool(self._client.eval(WRITE, 1, self._key, self._holder, _ms(seconds)))
        except RedisError as error:
            logger.warning("the cache does not answer, a mark is not renewed: %s", error)
            return True

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew it while the block runs."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join(JOIN_S)

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(RENEWED_S):
            if not self.write(HELD_S):
                logger.warning("another worker took %s meanwhile", self._key)
                return


def _ms(seconds: float) -> int:
    return max(1, int(seconds * 1000))
