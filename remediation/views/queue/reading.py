"""Reads a section of the queue in the order of an index, from a place on, until a page is full.

With all conditions at once, the planner expects few rows, fetches the whole section and sorts it.
So a limited number of rows is read in the order of the index with the conditions that the planner
judges well, and the other conditions are checked on those rows only. For a person who may see some
services only, the places of those services are read in order, and the rest is checked on them.
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

# The first step reads STEP rows, each further one FACTOR times as many, STEPS steps at most. A page
# that is not full by then says where it stopped; no request reads the whole queue.
STEP, FACTOR, STEPS = 120, 4, 4
# For so many steps rows are read in order before the index of the condition is used: common rows
# are found sooner in order, rare ones only by their own index.
IN_ORDER = 2
# With more than MANY services the queue of everybody is read in order, if the person may see one in
# SHARE of its first rows; with more than TOO_MANY it always is.
MANY, TOO_MANY = 50, 2_000
SHARE = 4


@dataclass(frozen=True)
class Lens:
    """What to read: places of these services (None: of all), by conditions on columns, by words to
    find, and by a rule."""

    services: list[int] | None
    condition: Q = field(default_factory=Q)
    words: Q = field(default_factory=Q)
    rule: Q = field(default_factory=Q)
    # Whether the queue of everybody is read instead of the places of each service.
    dense: bool = False
    # Sections whose first rows hold none of the words: reading in order would find nothing soon.
    rare: frozenset[str] = frozenset()
    # For one target every proposal is shown by itself, not grouped.
    flat: bool = False

    def narrowed(self, rule: Q) -> Lens:
        return replace(self, rule=self.rule & rule)

    @property
    def entries(self) -> QuerySet[QueueEntry]:
        """The rows that an index can give."""
        return visibility.places_of(self.services).filter(self.condition)

    @property
    def each(self) -> Q:
        """Every condition, to be checked row by row."""
        return visibility.touches(self.services) & self.condition & self.words & self.rule

    @property
    def two_sided(self) -> bool:
        """Whether one index has the order and another the rows."""
        return bool(self.words) or (self.services is not None and bool(self.condition))


@dataclass(frozen=True)
class Chunk:
    """The next rows in order, and the conditions still to be checked on them; more rows may follow
    after `last`."""

    rows: QuerySet[QueueEntry]
    still: Q
    last: Callable[[], str]


Read: TypeAlias = Callable[[Lens, str, str, int], Chunk]


def dense(services: list[int] | None) -> bool:
    """Whether a person with these services sees enough that the queue of everybody is read."""
    if services is None or len(services) <= MANY:
        return False
    if len(services) > TOO_MANY:
        return True
    head = QueueEntry.objects.order_by("place").values("pk")[:STEP]
    seen = QueueEntry.objects.filter(visibility.touches(services), pk__in=head).count()
    return seen * SHARE >= STEP


def lens(rights: slots.Rights, filters: Filters, dense: bool, after: str = "") -> Lens:
    """What this person asks to see, from a place on."""
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
    """The sections whose first rows, as many as are read in order, hold none of the words."""
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
    """How each step reads, and how many rows."""
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
    """Rows of an index with an order; words and rule are checked on each."""
    return _in_order(lens.entries, start, end, size, lens.words & lens.rule)


def _by_condition(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """Rows of an index without an order. The planner does not know how rare words are and would
    read in order; ordering by an expression, which has no index, prevents that."""
    entries = lens.entries.filter(lens.words)
    if not lens.words:
        return _in_order(entries, start, end, size, lens.rule)
    hidden = entries.annotate(hidden=Concat("place", Value("")))
    return _in_order(hidden, start, end, size, lens.rule, place="hidden")


def _by_queue(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """The queue of everybody; every condition is checked on each row."""
    return _in_order(QueueEntry.objects.all(), start, end, size, lens.each)


def _by_service(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """The places of each service; every condition is checked on each row, visibility too."""
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
