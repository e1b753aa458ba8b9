"""Reading a section of the queue in the order of its index, from a place on, until a page is full.

A planner that sees all conditions at once thinks that few rows meet them, fetches every row of the
section and sorts. So the conditions that it judges well are asked first, of so many rows as the
index gives in order; what is harder is asked of those alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery, Window
from django.db.models.functions import RowNumber

from remediation.models import QueueEntry
from remediation.views.filters import ENDED, SECTIONS, section

# So many rows are looked at first, each time four times as many, at most so many times. A page that
# is not full by then says where it stopped; nobody waits for a walk through everything.
STEP, FACTOR, STEPS = 120, 4, 4
# A search reads this many steps in order before it asks the index of words: a common word is soon
# found that way, a rare one only the other way.
IN_ORDER = 2
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
    has, and the place after which there may be more (empty when there is none)."""

    first: list[Place] = field(default_factory=list)
    following: str = ""
    behind: list[Place] = field(default_factory=list)
    totals: dict[str, int] = field(default_factory=dict)

    @property
    def places(self) -> list[Place]:
        return [*self.first, *self.behind]


@dataclass(frozen=True)
class Lens:
    """What is looked at: places by simple conditions, words to be found, and a rule."""

    entries: QuerySet[QueueEntry]
    words: Q = field(default_factory=Q)
    rule: Q = field(default_factory=Q)
    # Whoever asked for one target wants to see what is on it, each by itself.
    flat: bool = False

    def narrowed(self, rule: Q) -> Lens:
        return Lens(self.entries, self.words, self.rule & rule, self.flat)

    @property
    def all(self) -> QuerySet[QueueEntry]:
        return self.entries.filter(self.words & self.rule)


def walk(lens: Lens, name: str, most: int, *, after: str = "", steps: int = STEPS) -> Found:
    """Up to `most` places of the section, of each target the most urgent one: a flood on one
    target is one line (attacks.md A34). What has ended is history, so each stands for itself."""
    kept: list[Place] = []
    start, following = after, ""
    for step in range(steps):
        late = bool(lens.words) and step >= IN_ORDER
        entries = lens.entries.filter(lens.words) if late else lens.entries
        rows = section(entries, name).order_by("place")
        chunk = rows.filter(place__gt=start) if start else rows
        size = STEP * FACTOR**step
        few = QueueEntry.objects.filter(pk__in=chunk.values("pk")[:size])
        kept += _places(few.filter(_leads(lens, name)))[: most + 1 - len(kept)]
        if len(kept) > most:
            kept, following = kept[:most], kept[most - 1].place
            break
        start = following = "".join(chunk.values_list("place", flat=True)[size - 1 : size])
        if not start:
            break
    found = Found(kept, following)
    if name != ENDED and not lens.flat:
        _stand_behind(lens, name, found)
    return found


def _places(entries: QuerySet[QueueEntry]) -> list[Place]:
    rows = entries.order_by("place").values_list("pk", "place", "target")
    return [Place(*row) for row in rows]


def _leads(lens: Lens, name: str) -> Q:
    """Meets the rule, and nothing on the same target that meets it is more urgent: for each row
    one descent in the index of target and place."""
    condition = lens.words & lens.rule
    if name == ENDED or lens.flat:
        return condition
    start, _ = SECTIONS[name]
    same = lens.all.filter(target=OuterRef("target"), place__gte=start).order_by("place")
    return condition & (Q(target="") | Q(place=Subquery(same.values("place")[:1])))


def _stand_behind(lens: Lens, name: str, found: Found) -> None:
    """The next few of each target, and how many it has in this section."""
    targets = {place.target for place in found.first if place.target}
    if not targets:
        return
    numbered = (
        section(lens.all.order_by(), name)
        .filter(target__in=targets)
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
