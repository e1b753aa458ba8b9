"""A budget of requests for each agent, counted in the shared cache.

Without it one agent floods the reviewers' queue and the record (docs/attacks.md A34). So when the
cache cannot count, the request is refused with 503 and Retry-After, whatever it asks: a flood
that comes while the cache is down would otherwise be the way around the budget. Nothing is lost
by it that works without the cache: people's sessions lie there too, and so does the broker in
the usual installation.
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
    """Takes one request from the caller's budget."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """True, or Throttled with the seconds to wait is raised."""
        if isinstance(request.user, AgentActor):
            spend(request.user.agent_id)
        return True


def spend(agent_id: UUID, now: float | None = None) -> None:
    """Count one request of the agent. Raises Throttled, or what the cache raises.

    A sliding window from two fixed ones: the previous window counts with the part of it that
    the last `period` seconds still cover. `incr` is atomic, so of any number of requests at once
    no more pass than the limit. A refused request costs nothing: who waits as told gets through.
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
    """Whole seconds until one more request fits; `into` is the part of the window that is over."""
    if spent + 1 <= limit and before:
        # Still in this window: when before * (1 - x) + spent + 1 == limit.
        until = 1 - (limit - spent - 1) / before
        return max(1, ceil((until - into) * period))
    # In the next one this window is the previous: spent * (1 - x) + 1 == limit.
    until = 1 - (limit - 1) / max(1, spent)
    return max(1, ceil((1 - into + max(0.0, until)) * period))


@remember
def rate(text: str) -> tuple[int, int]:
    """`60/min` as (60, 60): requests and seconds; second, minute, hour or day by first letter."""
    number, _, period = text.partition("/")
    if not number.isdecimal() or period[:1] not in SECONDS:
        raise ImproperlyConfigured(f"a rate reads like 60/min, not {text!r}")
    return int(number), SECONDS[period[0]]


rate(settings.AGENT_RATE)  # fails when the process starts, not at the first request
