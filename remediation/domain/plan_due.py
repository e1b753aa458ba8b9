"""By when an open incident needs a plan, and why then.

The clock runs from the detection, since the attacker's does too. It follows what the identity
reaches by the inventory; what the inventory does not know counts as the gravest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from remediation.domain.scope import Criticality


class Why(StrEnum):
    """What an incident's time for a plan follows from."""

    UNKNOWN = "unknown"
    GRAVE = "grave"
    SERIOUS = "serious"
    OTHER = "other"


# A plan must still be decided and run afterwards: half an hour leaves a critical identity contained
# within the hour. A working day is for what neither is in production nor matters to anybody.
ALLOWED = {
    Why.UNKNOWN: timedelta(minutes=30),
    Why.GRAVE: timedelta(minutes=30),
    Why.SERIOUS: timedelta(hours=2),
    Why.OTHER: timedelta(hours=8),
}
# Nobody can have made a plan before the report arrived, however old the detection is.
LEAST = timedelta(minutes=15)


@dataclass(frozen=True)
class Reached:
    """One service that the identity reaches, with the strictest values of the last day."""

    environment: str
    criticality: str
    payment_path: bool


def why(environment: str | None, services: Iterable[Reached]) -> Why:
    """Return the rule that applies; ``environment`` is the identity's, None if nobody knows it."""
    reached = list(services)
    if not environment or not reached:
        return Why.UNKNOWN
    production = "production" in {environment, *(one.environment for one in reached)}
    graveness = {one.criticality for one in reached}
    if production and (
        Criticality.CRITICAL in graveness or any(one.payment_path for one in reached)
    ):
        return Why.GRAVE
    if production or graveness & {Criticality.CRITICAL, Criticality.HIGH}:
        return Why.SERIOUS
    return Why.OTHER


def due(since: datetime, known: datetime, rule: Why) -> datetime:
    """Return by when a plan is due.

    ``since`` is the detection, or when the incident came to need a plan again; ``known`` is when
    the portal recorded that. A detection in the future counts from the record.
    """
    return max(min(since, known) + ALLOWED[rule], known + LEAST)
