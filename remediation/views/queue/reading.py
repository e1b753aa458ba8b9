"""Reading a section of the queue in the order of an index, from a place on, until a page is full.

A planner that sees all conditions at once thinks that few rows meet them, fetches every row of the
section and sorts. So the conditions that it judges well are asked first, of so many rows as the
index gives in order; what is harder is asked of those alone. Whoever sees some services only reads
the places of those services in order; everything else is asked of what they give.
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

# So many rows are looked at first, each time four times as many, at most so many times. A page that
# is not full by then says where it stopped; nobody waits for a walk through everything.
STEP, FACTOR, STEPS = 120, 4, 4
# What an index of order answers badly is read for this many steps in order, before the index that
# knows it is asked: what is common is soon found that way, what is rare only the other way.
IN_ORDER = 2
# Whoever sees more services than the first number may see so much of what comes first (one in SHARE
# rows) that everybody's queue is read for them, in order; with more than the second it always is.
MANY, TOO_MANY = 50, 2_000
SHARE = 4


@dataclass(frozen=True)
class Lens:
    """What is looked at: places of these services (None: of all), by conditions on their columns,
    words to be found, and a rule."""

    services: list[int] | None
    condition: Q = field(default_factory=Q)
    words: Q = field(default_factory=Q)
    rule: Q = field(default_factory=Q)
    # Whether everybody's queue is read, and not the places of each service.
    dense: bool = False
    # Sections among whose first rows the words are not: reading in order would find nothing soon.
    rare: frozenset[str] = frozenset()
    # Whoever asked for one target wants to see what is on it, each by itself.
    flat: bool = False

    def narrowed(self, rule: Q) -> Lens:
        return replace(self, rule=self.rule & rule)

    @property
    def entries(self) -> QuerySet[QueueEntry]:
        """What indexes are asked for."""
        return visibility.places_of(self.services).filter(self.condition)

    @property
    def each(self) -> Q:
        """All of it, to be asked of one row after the other."""
        return visibility.touches(self.services) & self.condition & self.words & self.rule

    @property
    def two_sided(self) -> bool:
        """Whether one index has the order and another the rows."""
        return bool(self.words) or (self.services is not None and bool(self.condition))


@dataclass(frozen=True)
class Chunk:
    """The next rows in order and what has still to be asked of them; after them there may be more
    from `last` on."""

    rows: QuerySet[QueueEntry]
    still: Q
    last: Callable[[], str]


Read: TypeAlias = Callable[[Lens, str, str, int], Chunk]


def dense(services: list[int] | None) -> bool:
    """Whether who sees these services sees so much that everybody's queue is theirs to read."""
    if services is None or len(services) <= MANY:
        return False
    if len(services) > TOO_MANY:
        return True
    head = QueueEntry.objects.order_by("place").values("pk")[:STEP]
    seen = QueueEntry.objects.filter(visibility.touches(services), pk__in=head).count()
    return seen * SHARE >= STEP


def lens(rights: slots.Rights, filters: Filters, dense: bool, after: str = "") -> Lens:
    """What this person asks to see, from this place on."""
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


def rare(said: str, names: Iterable[str]) -> frozenset[str]:
    """Those of the sections in which no word is found where it would be looked for in order."""
    first = STEP * sum(FACTOR**step for step in range(IN_ORDER))
    # Each by itself and in so many words: the planner has to see how long each section is.
    question = (
        "(SELECT %s::text WHERE NOT EXISTS (SELECT FROM ("
        "SELECT q.words FROM public.remediation_queueentry q"
        " WHERE q.place > %s AND q.place < %s ORDER BY q.place LIMIT %s) AS head"
        " WHERE head.words @@ remediation.asked_v1(%s)))"
    )
    sections = [(name, *asked.SECTIONS[name], first, said) for name in names]
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
    """What indexes with an order have; the words and the rule are asked of each."""
    return _in_order(lens.entries, start, end, size, lens.words & lens.rule)


def _by_condition(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """What indexes without an order have too. For words a planner that may read in order does so,
    since it knows not how rare they are; what is no column stands in no index."""
    entries = lens.entries.filter(lens.words)
    if not lens.words:
        return _in_order(entries, start, end, size, lens.rule)
    hidden = entries.annotate(hidden=Concat("place", Value("")))
    return _in_order(hidden, start, end, size, lens.rule, place="hidden")


def _by_queue(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """Everybody's queue; everything is asked of each."""
    return _in_order(QueueEntry.objects.all(), start, end, size, lens.each)


def _by_service(lens: Lens, start: str, end: str, size: int) -> Chunk:
    """The places of each service; everything is asked of each, who may see it too."""
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
