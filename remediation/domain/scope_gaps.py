"""The sentences about services of a scope of which something is not known, and what covers one.

A scope records sentences, which people read and sign. Of a narrower plan the sentence names fewer
services, so it is another text that says less.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

BARE = "services without any details"
UNOWNED = "services without an owner team"
RETIRED = "services that are or were marked as retired"
_KINDS = (BARE, UNOWNED, RETIRED)
# A person reads the sentence: it names the first few and counts the rest.
_NAMED = 5
_COUNTED = re.compile(r" and [0-9]+ more\Z")


def sentence(kind: str, services: Iterable[str]) -> str:
    """Return the sentence for a kind of gap and the services that have it."""
    names = sorted(services)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{kind}: {', '.join(names[:_NAMED])}{more}"


def covered(new: str, old: Collection[str], services: Iterable[str]) -> bool:
    """Return whether one of the old sentences says all that the new one does.

    Besides the same text that is only a sentence of the same kind that names every service which
    the new one names. `services` are the names in the old scope: one that looks like a list would
    make its sentences ambiguous, and then the text must be the same.
    """
    if new in old:
        return True
    if any(", " in name or _COUNTED.search(name) for name in services):
        return False
    kind, names = _parsed(new)
    if not names or _COUNTED.search(new):
        return False
    return any(kind == known and names <= named for known, named in map(_parsed, old))


def _parsed(text: str) -> tuple[str, frozenset[str]]:
    """Return kind and names, without those that are only counted; no names of another sentence."""
    kind, _, listed = text.partition(": ")
    if kind not in _KINDS or not listed:
        return kind, frozenset()
    return kind, frozenset(_COUNTED.sub("", listed).split(", "))
