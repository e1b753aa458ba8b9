"""Count calls and refusals of agents, and when a token was last used, in the shared cache.

For pages only, and no rule reads it: a restart of the cache begins the counts anew. An agent's
calls must not write a row each, and a token's row is insert-only.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.core.cache import cache

DAY = 86_400
DAYS = 7
# A token that nobody used for this long shows "not used since the portal counts".
KEPT_S = 400 * DAY


@dataclass(frozen=True)
class Use:
    """Calls and refusals of one agent in the last seven days, today included."""

    calls: int
    refused: int


def count_call(*, token_id: UUID, agent_id: UUID) -> None:
    """Count a call of an agent. Raises the cache's error, as the agent's budget does."""
    cache.set(f"token-used:{token_id}", int(time.time()), timeout=KEPT_S)
    _count(f"agent-calls:{agent_id}")


def count_refusal(agent_id: UUID) -> None:
    """Count a refusal of an agent."""
    _count(f"agent-refused:{agent_id}")


def last_used(tokens: Iterable[UUID]) -> dict[UUID, datetime]:
    """Return when each token was last used, as far as the cache knows."""
    keys = {f"token-used:{token}": token for token in tokens}
    found: Mapping[str, int] = cache.get_many(list(keys))
    return {keys[key]: datetime.fromtimestamp(at, UTC) for key, at in found.items()}


def of_agents(agents: Iterable[UUID]) -> dict[UUID, Use]:
    """Return the counts of each agent."""
    days = [_today() - back for back in range(DAYS)]
    wanted = list(agents)
    keys = [
        f"agent-{what}:{agent}:{day}"
        for agent in wanted
        for what in ("calls", "refused")
        for day in days
    ]
    found: Mapping[str, int] = cache.get_many(keys)
    return {
        agent: Use(
            *(
                sum(int(found.get(f"agent-{what}:{agent}:{day}", 0)) for day in days)
                for what in ("calls", "refused")
            )
        )
        for agent in wanted
    }


def _count(name: str) -> None:
    key = f"{name}:{_today()}"
    try:
        cache.incr(key)
    except ValueError:  # the day's first
        cache.add(key, 0, timeout=(DAYS + 1) * DAY)
        cache.incr(key)


def _today() -> int:
    return int(time.time() // DAY)
