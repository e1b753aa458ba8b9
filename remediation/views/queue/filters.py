"""The filters of the queue, read from the address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace

from django.db.models import Q, QuerySet
from django.utils.http import urlencode

from remediation.domain.ruling import Risk
from remediation.models import Agent, QueueEntry
from remediation.models.inventory import Environment
from remediation.services.access import slots, visibility
from remediation.views.queue import cursors

MINE, SERVICES = "mine", "services"
# Runs that ask people. They stand among what is in review, by the same urgency.
ASKS = "asks"
# Sections of the queue: the first place of each, and the place where it ends.
STOPPED, REVIEW, NEW, RUNNING, ENDED = "stopped", "review", "new", "running", "ended"
SECTIONS = {
    STOPPED: ("0", "1"),
    REVIEW: ("1", "2"),
    NEW: ("2", "3"),
    RUNNING: ("3", "4"),
    ENDED: ("9", ":"),
}
CHOICES = {
    "show": (MINE, SERVICES),
    "state": tuple(SECTIONS),
    "risk": tuple(risk.value for risk in reversed(Risk)),
    "environment": tuple(Environment.values),
}
LONGEST = 300
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PLACE = re.compile(rf"(?:[0123][0-4][0-9]{{32}}|9[0-9]{{16}}){_UUID}")


@dataclass(frozen=True)
class Filters:
    """The filters by their names in the address. All empty: everything that is open."""

    show: str = ""
    state: str = ""
    risk: str = ""
    environment: str = ""
    agent: str = ""
    target: str = ""
    q: str = ""

    @property
    def query(self) -> str:
        """Return the query of the address; equal filters give the same query."""
        return urlencode({key: value for key, value in asdict(self).items() if value})

    @property
    def narrows(self) -> bool:
        """Tell whether the filters leave out more than whole sections."""
        return self != Filters(show=self.show if self.show == MINE else "", state=self.state)

    def but(self, **changes: str) -> str:
        """Return the query of these filters with some of them changed."""
        return replace(self, **changes).query


def read(query: Mapping[str, str]) -> tuple[Filters, tuple[str, ...]]:
    """Return the filters of an address, and the names of those with an unknown value."""
    given = {field.name: query.get(field.name, "").strip()[:LONGEST] for field in fields(Filters)}
    odd = tuple(key for key, allowed in CHOICES.items() if given[key] and given[key] not in allowed)
    # PostgreSQL stores no NUL in text.
    clean = {key: "" if key in odd else value.replace("\0", "") for key, value in given.items()}
    return Filters(**clean), odd


def cursor(query: Mapping[str, str]) -> str:
    """Return the place after which the page begins; empty for the first or an invalid page."""
    after = cursors.opened(query.get("after", "")[:LONGEST])
    return after if _PLACE.fullmatch(after) else ""


def services(rights: slots.Rights, filters: Filters) -> list[int] | None:
    """Return the services whose proposals are shown: only those the person may see (None: all)."""
    # A person who may see no proposals gets no services here either.
    seen = visibility.seen_services(rights)
    return sorted(rights.view) if filters.show == SERVICES and seen != [] else seen


def words(filters: Filters) -> Q:
    return Q(words__said=filters.q) if filters.q else Q()


def section(entries: QuerySet[QueueEntry], name: str) -> QuerySet[QueueEntry]:
    start, end = SECTIONS[name]
    return entries.filter(place__gte=start, place__lt=end)


def condition(filters: Filters) -> Q:
    """Return the condition on a proposal's own columns.

    `show`, the section and the search are not part of it: they decide how the page is read.
    """
    rule = Q()
    if filters.risk:
        rule &= Q(risk=filters.risk)
    if filters.environment:
        rule &= Q(environment=filters.environment)
    if filters.agent:
        # By id, so that the agent's index gives the order too.
        agent = Agent.objects.filter(name=filters.agent).values_list("pk", flat=True).first()
        rule &= Q(agent=agent) if agent else Q(pk__in=[])
    if filters.target:
        rule &= Q(target=filters.target)
    return rule
