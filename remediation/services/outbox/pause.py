"""Do something at most once within a time, by the shared cache; without the cache more often."""

from __future__ import annotations

import logging

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


def first(key: str, seconds: int) -> bool:
    """Return whether this was not done within the time; True when the cache does not answer."""
    try:
        return cache.add(key, 1, timeout=seconds)
    except RedisError as error:
        logger.warning("the cache does not answer, no back-off: %s", error)
        return True
