"""Who is looking at a proposal now: in the shared cache, for half a minute, in no record.

It keeps two people from doing the same work unawares; it decides nothing. A page that is open says
so every few seconds; when it is closed, its mark grows old.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from uuid import UUID

from django.core.cache import cache

# The page says it every ten seconds; one lost message does not make somebody vanish.
LIVES_S = 25


def look(person: UUID, proposal_id: UUID) -> None:
    """Note that this person has the proposal's page open. Of two notes at the same instant one may
    be lost; the next one, ten seconds later, makes up for it."""
    now = time.time()
    marks = _fresh(cache.get(_key(proposal_id)), now)
    cache.set(_key(proposal_id), {**marks, str(person): now}, timeout=LIVES_S)


def leave(person: UUID, proposal_id: UUID) -> None:
    """Note that the page was closed."""
    marks = _fresh(cache.get(_key(proposal_id)), time.time())
    if marks.pop(str(person), None) is not None:
        cache.set(_key(proposal_id), marks, timeout=LIVES_S)


def lookers(proposals: Iterable[UUID]) -> dict[UUID, list[UUID]]:
    """Who looks at each of these proposals now, in one question to the cache. The caller shows it
    only to people who may see the proposal."""
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
    """The marks that still count; whatever else the cache holds counts for nothing."""
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
