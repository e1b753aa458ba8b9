"""Find a page of a section of the queue: the most urgent proposal of each target."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber

from remediation.models import QueueEntry
from remediation.views.queue.filters import ENDED, SECTIONS, section
from remediation.views.queue.reading import STEPS, Lens, looks

# At most this many further proposals on a target are shown under its most urgent one.
BEHIND = 3


@dataclass(frozen=True)
class Place:
    proposal_id: UUID
    place: str
    target: str


@dataclass
class Found:
    """The result of a walk.

    The first places of a section, further ones on the same targets, the number per target, the
    place after which more may follow (empty: none), and the most rows that were read.
    """

    first: list[Place] = field(default_factory=list)
    following: str = ""
    looked: int = 0
    behind: list[Place] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        return [*self.first, *self.behind]


def walk(
    lens: Lens, name: str, most: int, *, after: str = "", until: str = "", steps: int = STEPS
) -> Found:
    """Find up to `most` places of the section, the most urgent of each target.

    So a flood on one target is one line (docs/attacks.md A34). Ended proposals are not grouped.
    """
    start, end = SECTIONS[name]
    start, end = after or start, until or end
    kept: list[Place] = []
    following, looked = "", 0
    for read, size in looks(lens, name, steps):
        chunk = read(lens, start, end, size)
        looked += size
        kept += _places(chunk.rows.filter(chunk.still & _leads(lens, name)))[: most + 1 - len(kept)]
        if len(kept) > most:
            kept, following = kept[:most], kept[most - 1].place
            break
        start = following = chunk.last()
        if not start:
            break
    found = Found(kept, following, looked)
    if name != ENDED and not lens.flat:
        _stand_behind(lens, name, found)
    return found


def _places(entries: QuerySet[QueueEntry]) -> list[Place]:
    rows = entries.order_by("place").values_list("pk", "place", "target")
    return [Place(*row) for row in rows]


def _leads(lens: Lens, name: str) -> Q:
    """Return the condition that no visible proposal on the same target is more urgent.

    Costs one descent per row in the index of target and place.
    """
    if name == ENDED or lens.flat:
        return Q()
    start, _ = SECTIONS[name]
    same = QueueEntry.objects.filter(lens.each, target=OuterRef("target"), place__gte=start)
    return Q(target="") | Q(place=Subquery(same.order_by("place").values("place")[:1]))


def _stand_behind(lens: Lens, name: str, found: Found) -> None:
    """Add the next few proposals of each target, and its number in this section."""
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
