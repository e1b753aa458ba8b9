"""Note who has a proposal's page open now: in the shared cache only, for half a minute.

Presence helps two people not to do the same work; it decides nothing and is not recorded. An open
page repeats its mark every few seconds; after it is closed the mark expires.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID

from django.core.cache import cache

# The page sends a mark every ten seconds; one lost message must not hide a person.
LIVES_S = 25


def look(person: UUID, proposal_id: UUID) -> None:
    """Note that this person has the proposal's page open.

    Of two marks at the same instant one may be lost; the page repeats it ten seconds later.
    """
    now = time.time()
    marks = _fresh(cache.get(_key(proposal_id)), now)
    cache.set(_key(proposal_id), {**marks, str(person): now}, timeout=LIVES_S)


def leave(person: UUID, proposal_id: UUID) -> None:
    """Note that the page was closed."""
    marks = _fresh(cache.get(_key(proposal_id)), time.time())
    if marks.pop(str(person), None) is not None:
        cache.set(_key(proposal_id), marks, timeout=LIVES_S)


def lookers(proposals: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Return the people who have each proposal's page open, in one request to the cache.

    The caller must show them only to people who may see the proposal.
    """
    keys = {_key(proposal_id): proposal_id for proposal_id in proposals}
    now = time.time()
    found = cache.get_many(list(keys)) if keys else {}
    return {
        keys[key]: [UUID(person) for person in sorted(marks)]
        for key, value in found.items()
        if (marks := _fresh(value, now))
    }


def _key(proposal_id: UUID) -> str:
    return f"looking:{proposal_id}"


def _fresh(value: object, now: float) -> dict[str, float]:
    """Return the marks that have not expired; ignore anything malformed in the cache."""
    if not isinstance(value, dict):
        return {}
    return {
        person: at
        for person, at in value.items()
        if isinstance(at, int | float) and 0 <= now - at < LIVES_S and _is_uuid(person)
    }


def _is_uuid(value: object) -> bool:
    try:
        return str(UUID(str(value))) == value
    except ValueError:
        return False
