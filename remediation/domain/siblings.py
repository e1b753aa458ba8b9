"""Find the kin of an identity by its locator: its holder, and other credentials of that holder."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from remediation.domain.catalogue import TARGETS, kind_of
from remediation.domain.catalogue.spec import TargetSpec
from remediation.domain.errors import BadInput
from remediation.domain.plan import target_at


def prefixes(locator: str) -> tuple[str, ...]:
    """Return what the locators of an identity's siblings, or of what it holds, begin with.

    The keys of a user stand beside each other: their locators differ in the last field alone.
    """
    spec = _spec(locator)
    if spec is None:
        return ()
    rest = locator.partition(":")[2]
    beside = [f"{locator.rpartition('/')[0]}/"] if spec.holder else []
    below = [f"{one.kind}:{rest}/" for one in _held(spec)]
    return (*beside, *below)


def holder(locator: str) -> str:
    """Return the locator of the identity that holds this one; "" where there is none."""
    spec = _spec(locator)
    if spec is None or not spec.holder:
        return ""
    rest = locator.partition(":")[2].rpartition("/")[0]
    holders = [other.kind for other in TARGETS.values() if spec in _held(other)]
    # Two kinds can have the same fields (a user, and the list of the user's keys).
    nearest = max(holders, key=lambda kind: _shared(kind, spec.kind), default="")
    return f"{nearest}:{rest}" if nearest else ""


def _shared(one: str, other: str) -> int:
    """Return how many first parts two kinds have in common."""
    pairs = zip(one.split("."), other.split("."), strict=False)
    return len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _spec(locator: str) -> TargetSpec | None:
    try:
        target_at(locator, allow_test=True)
    except BadInput:
        return None
    return kind_of(locator)


def _held(spec: TargetSpec) -> Iterator[TargetSpec]:
    """Yield the kinds of what this one holds: they have its fields and one more."""
    for other in TARGETS.values():
        one_provider = other.kind.partition(".")[0] == spec.kind.partition(".")[0]
        held_by = tuple(other.fields)[:-1] == tuple(spec.fields)
        if one_provider and held_by and other.holder and other.holder in spec.fields:
            yield other
