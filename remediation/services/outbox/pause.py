"""Do something at most once within a time, by the shared cache; without the cache more often."""

from __future__ import annotations

import logging

from django.core.cache import cache
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)


# How long the sweeper may be silent; it works every two seconds, and a step may take its thread.
SWEPT_S = 60
_SWEPT = "swept:last"  # below the prefix that the worker's login may use (deploy/valkey)


def mark_swept() -> None:
    """Leave a mark that the sweeper works, for `hitlportal doctor`."""
    try:
        cache.set(_SWEPT, 1, timeout=SWEPT_S)
    except RedisError as error:
        logger.warning("the cache does not answer, no mark of a sweep: %s", error)


def was_swept() -> bool:
    """Return whether the sweeper worked lately. Raises RedisError."""
    return cache.get(_SWEPT) is not None


def first(key: str, seconds: int) -> bool:
    """Return whether this was not done within the time; True when the cache does not answer."""
    try:
        return cache.add(key, 1, timeout=seconds)
    except RedisError as error:
        logger.warning("the cache does not answer, no back-off: %s", error)
        return True


def begin(key: str, seconds: int) -> None:
    """Begin a pause."""
    first(f"pause:{key}", seconds)


def is_over(key: str) -> bool:
    """Return whether no pause goes on; True when the cache does not answer."""
    try:
        return cache.get(f"pause:{key}") is None
    except RedisError:
        return True
