"""Reading a section of the queue in the order of an index, from a place on, until a page is full.

A planner that sees all conditions at once thinks that few rows meet them, fetches every row of the
section and sorts. So the conditions that it judges well are asked first, of so many rows as the
index gives in order; what is harder is asked of those alone. Whoever sees some services only reads
the places of those services in order; everything else is asked of what they give.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from uuid import UUID

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, TextField, Window
from django.db.models.expressions import RawSQL
from django.db.models.functions import RowNumber

from remediation.models import QueueEntry
from remediation.services import authorize
from remediation.views.filters import ENDED, SECTIONS, section

# So many rows are looked at first, each time four times as many, at most so many times. A page that
# is not full by then says where it stopped; nobody waits for a walk through everything.
STEP, FACTOR, STEPS = 120, 4, 4
# What an index of order answers badly is read for this many steps in order, before the index that
# knows it is asked: what is common is soon found that way, what is rare only the other way.
IN_ORDER = 2
# Whoever sees more services than this sees most of what comes first: in so many steps everybody's
# queue is read before the places of each service are.
MANY = 400
# How many of a target stand under its most urgent proposal; the others are one click away.
BEHIND = 3


@dataclass(frozen=True)
class Place:
    proposal_id: UUID
    place: str
    target: str


@dataclass
class Found:
    """The first places of a section, those behind them on the same targets, how many each target
    has, the place after which there may be more (empty when there is none), and how many rows
    were looked at, at most."""

    first: list[Place] = field(default_factory=list)
    following: str = ""
    looked: int = 0
    behind: list[Place] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        return [*self.first, *self.behind]


@dataclass(frozen=True)
class Lens:
    """What is looked at: places of these services (None: of all), by conditions on their columns,
    words to be found, and a rule."""

    services: list[int] | None
    condition: Q = field(default_factory=Q)
    words: Q = field(default_factory=Q)
    rule: Q = field(default_factory=Q)
    # Whoever asked for one target wants to see what is on it, each by itself.
    flat: bool = False

    def narrowed(self, rule: Q) -> Lens:
        return replace(self, rule=self.rule & rule)

    @property
    def entries(self) -> QuerySet[QueueEntry]:
        """What indexes are asked for."""
        return authorize.places_of(self.services).filter(self.condition)

    @property
    def each(self) -> Q:
        """All of it, to be asked of one row after the other."""
        return authorize.touches(self.services) & self.condition & self.words & self.rule

    @property
    def two_sided(self) -> bool:
        """Whether one index has the order and another the rows."""
        return bool(self.words) or (self.services is not None and bool(self.condition))


@dataclass(frozen=True)
class Chunk:
    """The next rows in order, what has still to be asked of them, and the place of the last."""

    rows: QuerySet[QueueEntry]
    still: Q
    last: QuerySet[QueueEntry, str]


def walk(
    lens: Lens, name: str, most: int, *, after: str = "", until: str = "", steps: int = STEPS
) -> Found:
    """Up to `most` places of the section, of each target the most urgent one: a flood on one
    target is one line (attacks.md A34). What has ended is history, so each stands for itself."""
    start, end = SECTIONS[name]
    start, end = after or start, until or end
    kept: list[Place] = []
    following, looked = "", 0
    for step in range(steps if lens.services != [] else 0):
        chunk = _chunk(lens, start, end, step)
        looked += STEP * FACTOR**step
        kept += _places(chunk.rows.filter(chunk.still & _leads(lens, name)))[: most + 1 - len(kept)]
        if len(kept) > most:
            kept, following = kept[:most], kept[most - 1].place
            break
        start = following = "".join(chunk.last)
        if not start:
            break
    found = Found(kept, following, looked)
    if name != ENDED and not lens.flat:
        _stand_behind(lens, name, found)
    return found


def _chunk(lens: Lens, start: str, end: str, step: int) -> Chunk:
    size = STEP * FACTOR**step
    if lens.services is None or (lens.two_sided and step >= IN_ORDER):
        late = lens.two_sided and step >= IN_ORDER
        entries = lens.entries.filter(lens.words) if late else lens.entries
        return _in_order(entries, start, end, size, lens.words & lens.rule)
    if len(lens.services) > MANY and step < IN_ORDER:
        return _in_order(QueueEntry.objects.all(), start, end, size, lens.each)
    ahead = RawSQL(
        "SELECT remediation.queue_ahead_v1(%s::bigint[], %s, %s, %s)",
        (lens.services, start, end, size),
        output_field=TextField(),
    )
    rows = QueueEntry.objects.filter(place__in=ahead)
    return Chunk(
        rows, lens.each, rows.order_by("place").values_list("place", flat=True)[size - 1 :]
    )


def _in_order(entries: QuerySet[QueueEntry], start: str, end: str, size: int, still: Q) -> Chunk:
    rows = entries.filter(place__gt=start, place__lt=end).order_by("place")
    few = QueueEntry.objects.filter(pk__in=rows.values("pk")[:size])
    return Chunk(few, still, rows.values_list("place", flat=True)[size - 1 : size])


def _places(entries: QuerySet[QueueEntry]) -> list[Place]:
    rows = entries.order_by("place").values_list("pk", "place", "target")
    return [Place(*row) for row in rows]


def _leads(lens: Lens, name: str) -> Q:
    """Nothing on the same target that the lens shows is more urgent: for each row one descent in
    the index of target and place."""
    if name == ENDED or lens.flat:
        return Q()
    start, _ = SECTIONS[name]
    same = QueueEntry.objects.filter(lens.each, target=OuterRef("target"), place__gte=start)
    return Q(target="") | Q(place=Subquery(same.order_by("place").values("place")[:1]))


def _stand_behind(lens: Lens, name: str, found: Found) -> None:
    """The next few of each target, and how many it has in this section."""
    targets = {place.target for place in found.first if place.target}
    if not targets:
        return
    numbered = (
        section(QueueEntry.objects.filter(lens.each, target__in=targets), name)
        .annotate(
            nth=Window(RowNumber(), partition_by=F("target"), order_by=F("place").asc()),
            of=Window(Count("*"), partition_by=F("target")),
        )
        .filter(nth__gt=1, nth__lte=1 + BEHIND)
        .order_by("place")
        .values_list("pk", "place", "target", "of")
    )
    for pk, place, target, of in numbered:
        found.behind.append(Place(pk, place, target))
        found.totals[target] = of
