"""Limit the requests of each agent, counted in the shared cache.

Without a limit one agent can flood the reviewers' queue and the audit log (docs/attacks.md A34).
If the cache is down, every request is refused with 503 and Retry-After; otherwise an outage would
lift the limit. The portal does not work without the cache anyway: it stores people's sessions, and
usually it is the broker, too.
"""

from __future__ import annotations

import time
from functools import cache as remember
from math import ceil
from typing import TYPE_CHECKING
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ImproperlyConfigured
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from remediation.domain.errors import Throttled
from remediation.services.actors import AgentActor

if TYPE_CHECKING:  # see authentication
    from rest_framework.views import APIView

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class AgentThrottle(BaseThrottle):
    """Take one request from the caller's budget."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return True. Raises Throttled with the seconds to wait."""
        if isinstance(request.user, AgentActor):
            spend(request.user.agent_id)
        return True


def spend(agent_id: UUID, now: float | None = None) -> None:
    """Count one request of the agent. Raises Throttled, or the cache's error.

    A sliding window made of two fixed ones: the previous window counts in proportion to its overlap
    with the last `period` seconds. `incr` is atomic, so concurrent requests cannot exceed the
    limit. A refused request is not counted: a client that waits as long as Retry-After says gets
    through.
    """
    limit, period = rate(settings.AGENT_RATE)
    now = time.time() if now is None else now
    window = int(now // period)
    into = now / period - window
    key = f"rate:{agent_id}:{window}"
    try:
        spent = cache.incr(key)
    except ValueError:  # the window's first
        cache.add(key, 0, timeout=2 * period + 1)
        spent = cache.incr(key)
    before = min(limit, int(cache.get(f"rate:{agent_id}:{window - 1}", 0)))
    if before * (1 - into) + spent > limit:
        cache.decr(key)
        raise Throttled(wait(before, min(spent - 1, limit), limit, into, period))


def wait(before: int, spent: int, limit: int, into: float, period: int) -> int:
    """Return the seconds until one more request fits; `into` is the elapsed part of the window."""
    if spent + 1 <= limit and before:
        # In this window: when before * (1 - x) + spent + 1 == limit.
        until = 1 - (limit - spent - 1) / before
        return max(1, ceil((until - into) * period))
    # In the next window, where this one is the previous: spent * (1 - x) + 1 == limit.
    until = 1 - (limit - 1) / max(1, spent)
    return max(1, ceil((1 - into + max(0.0, until)) * period))


@remember
def rate(text: str) -> tuple[int, int]:
    """Parse `60/min` into (60, 60): requests and seconds; the unit is known by its first letter."""
    number, _, period = text.partition("/")
    if not number.isdecimal() or period[:1] not in SECONDS:
        raise ImproperlyConfigured(f"a rate must look like 60/min, not {text!r}")
    return int(number), SECONDS[period[0]]


rate(settings.AGENT_RATE)  # an invalid rate must fail at start, not at the first request
