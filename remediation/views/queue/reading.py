"""Read a section of the queue in index order, from a place on, until a page is full.

With all conditions in one query, the planner expects few rows, fetches the whole section and sorts
it. So each step reads a limited number of rows in index order, with the conditions that the planner
estimates well, and checks the other conditions on those rows only. For a person who may see only
some services, it reads the places of those services in order and checks the rest on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeAlias

from django.db import connection
from django.db.models import Q, QuerySet, TextField, Value
from django.db.models.expressions import RawSQL
from django.db.models.functions import Concat

from remediation.models import QueueEntry
from remediation.services.access import slots, visibility
from remediation.views.queue import filters as asked
from remediation.views.queue.filters import Filters

# The first step reads STEP rows, each further one FACTOR times as many, at most STEPS steps. A page
# that is not full then links to where it stopped; no request reads the whole queue.
STEP, FACTOR, STEPS = 120, 4, 4
# The first IN_ORDER steps read rows in order, the later ones use the index of the condition: common
# rows are found faster in order, rare ones only by their own index.
IN_ORDER = 2
# With more than MANY services, the queue of everybody is read in order if the person may see one in
# SHARE of its first rows; with more than TOO_MANY services always.
MANY, TOO_MANY = 50, 2_000
SHARE = 4


@dataclass(frozen=True)
class Lens:
    """What to read: the places of these services (None: all), filtered by conditions on columns,
    search words and a rule."""

    services: list[int] | None
    condition: Q = field(default_factory=Q)
    words: Q = field(default_factory=Q)
    rule: Q = field(default_factory=Q)
    # Whether the queue of everybody is read instead of the places of each service.
    dense: bool = False
    # Sections without the words in their first rows: reading in order would find nothing there.
    rare: frozenset[str] = frozenset()
    # With one target, proposals are not grouped.
    flat: bool = False

    def narrowed(self, rule: Q) -> Lens:
        return replace(self, rule=self.rule & rule)

    @property
    def entries(self) -> QuerySet[QueueEntry]:
        """Return the rows that an index can give."""
        return visibility.places_of(self.services).filter(self.condition)

    @property
    def each(self) -> Q:
        """Return all conditions, to be checked row by row."""
        return visibility.touches(self.services) & self.condition & self.words & self.rule

    @property
    def two_sided(self) -> bool:
        """Tell whether one index has the order and another one has the rows."""
        return bool(self.words) or (self.services is not None and bool(self.condition))


@dataclass(frozen=True)
class Chunk:
    """The next rows in order, and the conditions to check on them; more rows may follow `last`."""

    rows: QuerySet[QueueEntry]
    still: Q
    last: Callable[[], str]


Read: TypeAlias = Callable[[Lens, str, str, int], Chunk]


def dense(services: list[int] | None) -> bool:
    """Tell whether a person with these services sees enough to read the queue of everybody."""
    if services is None or len(services) <= MANY:
        return False
    if len(services) > TOO_MANY:
        return True
    head = QueueEntry.objects.order_by("place").values("pk")[:STEP]
    seen = QueueEntry.objects.filter(visibility.touches(services), pk__in=head).count()
    return seen * SHARE >= STEP


def lens(rights: slots.Rights, filters: Filters, dense: bool, after: str = "") -> Lens:
    """Return what this person asks to see, from a place on."""
    services = asked.services(rights, filters)
    seldom: frozenset[str] = frozenset()
    if filters.q and not after and (dense or services is None):
        seldom = rare(filters.q, [filters.state] if filters.state else asked.SECTIONS)
    return Lens(
        services,
        asked.condition(filters),
        asked.words(filters),
        dense=dense,
        rare=seldom,
        flat=bool(filters.target),
    )


def rare(words: str, names: Iterable[str]) -> frozenset[str]:
    """Return the sections without the words in the rows that are read in order."""
    first = STEP * sum(FACTOR**step for step in range(IN_ORDER))
    # A subquery for each section with its own limits: the planner has to know how long each is.
    question = (
        "(SELECT %s::text WHERE NOT EXISTS (SELECT FROM ("
        "SELECT q.words FROM public.remediation_queueentry q"
        " WHERE q.place > %s AND q.place < %s ORDER BY q.place LIMIT %s) AS head"
        " WHERE head.words @@ remediation.asked_v1(%s)))"
    )
    sections = [(name, *asked.SECTIONS[name], first, words) for name in names]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([question] * len(sections)), list(chain(*sections)))
        return frozenset(name for (name,) in cursor.fetchall())


def looks(lens: Lens, name: str, steps: int) -> Iterator[tuple[Read, int]]:
    """Yield how each step reads, and how many rows."""
    services = lens.services
    if services == []:
        return
    own: Read = _by_service
    if services is None or lens.dense:
        own = _by_index if services is None else _by_queue
    sizes = [STEP * FACTOR**step for step in range(steps)]
    if not lens.two_sided:
        yield from ((own, size) for size in sizes)
        return
    if name not in lens.rare:
        yield from ((own, size) for size in sizes[:IN_ORDER])
    yield from ((_by_condition, size) for size in sizes)


def _by_index(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """Read rows by an index in order; check words and rule on each."""
    return _in_order(lens.entries, start, end, size, lens.words & lens.rule)


def _by_condition(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """Read rows by an index without an order.

    The planner does not know how rare words are and would read in order; ordering by an
    expression, which has no index, prevents that.
    """
    entries = lens.entries.filter(lens.words)
    if not lens.words:
        return _in_order(entries, start, end, size, lens.rule)
    hidden = entries.annotate(hidden=Concat("place", Value("")))
    return _in_order(hidden, start, end, size, lens.rule, place="hidden")


def _by_queue(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """Read the queue of everybody; check every condition on each row."""
    return _in_order(QueueEntry.objects.all(), start, end, size, lens.each)


def _by_service(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """Read the places of each service; check every condition on each row, visibility too."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT remediation.queue_ahead_v1(%s::bigint[], %s, %s, %s)",
            [lens.services, start, end, size],
        )
        places = [place for (place,) in cursor.fetchall()]
    # One parameter, however many places.
    found = RawSQL("SELECT unnest(%s::text[])", [places], output_field=TextField())
    rows = QueueEntry.objects.filter(place__in=found)
    return Chunk(rows, lens.each, lambda: places[-1] if len(places) == size else "")


def _in_order(
    entries: QuerySet[QueueEntry], start: str, end: str, size: int, still: Q, place: str = "place"
) -> Chunk:
    rows = entries.filter(Q((f"{place}__gt", start), (f"{place}__lt", end))).order_by(place)
    few = QueueEntry.objects.filter(pk__in=rows.values("pk")[:size])
    last = rows.values_list("place", flat=True)[size - 1 : size]
    return Chunk(few, still, lambda: "".join(last))
