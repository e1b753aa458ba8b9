"""Choose the rows of a page of the queue: all sections together, or one section by pages."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from uuid import UUID

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy, pgettext_lazy

from remediation.domain.policy import ROLES
from remediation.domain.states import ProposalState
from remediation.models import QueueEntry, User
from remediation.services.access import authorize, slots, visibility
from remediation.views.cards import proposal_rows
from remediation.views.queue import cursors, figures, groups, plans, reading, walk
from remediation.views.queue.filters import (
    ASKS,
    ENDED,
    MINE,
    NEW,
    REVIEW,
    RUNNING,
    STOPPED,
    Filters,
    section,
)
from remediation.views.queue.page import QueueGroup, QueuePage
from remediation.views.queue.reading import Lens
from remediation.views.queue.walk import Found, Place

# Lines of a section on a page, and of a short section.
PAGE, FEW = 25, 10
LATELY = timedelta(hours=24)
# 16 digits less microseconds: the newest first (urgency_v1 in sql/queue.sql).
_LAST = 9_999_999_999_999_999
WAITING = ProposalState.WAITING.value
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TITLES = {
    MINE: (gettext_lazy("Waiting for your decision"), gettext_lazy("Your role is still needed.")),
    ASKS: (
        gettext_lazy("Runs that wait for you"),
        gettext_lazy("A part is done. Say whether it goes on."),
    ),
    "others": (gettext_lazy("Waiting for others"), ""),
    STOPPED: (
        gettext_lazy("Stopped in the middle"),
        gettext_lazy("A part is done. A person must go on."),
    ),
    REVIEW: (gettext_lazy("In review"), ""),
    NEW: (gettext_lazy("Waiting for the worker's assessment"), ""),
    RUNNING: (gettext_lazy("Approved and running"), ""),
    ENDED: (pgettext_lazy("section of the queue", "Ended"), gettext_lazy("Newest first.")),
    "lately": (gettext_lazy("Ended in the last 24 hours"), ""),
}


@dataclass
class Part:
    """A section before its rows are built."""

    key: str
    found: Found
    more: str = ""
    title: str = ""  # a key of TITLES, if it differs from `key`


def page(person: User, filters: Filters, after: str) -> QueuePage:
    """Return the page of these filters; `after` is the place where the previous page ended."""
    rights = slots.rights_of(person)
    perhaps = slots.perhaps_mine(rights)
    dense = reading.dense(visibility.seen_services(rights))
    lens = reading.lens(rights, filters, dense, after)
    if filters.show == MINE:
        parts = [_mine(rights, lens, perhaps, filters, after)[0]]
        mine = {place.proposal_id for place in parts[0].found.places}
    elif filters.state:
        parts = [_part(filters.state, lens, filters.state, PAGE, filters.query, after)]
        mine = set(_able(rights, parts[0].found.places))
    else:
        parts = _side_by_side(person, rights, lens, perhaps, filters)
        mine = {place.proposal_id for place in parts[0].found.places}
    alone = not (filters.narrows or filters.state or after)
    asking = next((part.found for part in parts if part.key == ASKS), None)
    if asking is None:
        asking = _asking(person, reading.lens(rights, Filters(), dense))
    waiting = _format_count(
        parts[0] if alone else _all_mine(rights, perhaps, dense), len(asking.places)
    )
    shown = _groups(rights.person, parts, mine)
    may_see = visibility.seen_services(rights) != []
    numbers = figures.figures(rights) if may_see and alone else None
    planless = plans.needs_plan_of(rights, person) if may_see and alone else None
    seen = sha256(repr((shown, waiting, numbers, planless)).encode()).hexdigest()[:16]
    return QueuePage(
        groups=shown,
        mine=waiting,
        first=not after,
        may_see=may_see,
        may_take=bool(rights.roles & {*ROLES, authorize.LEAD}),
        person=rights.person,
        figures=numbers,
        needs_plan=planless,
        seen=seen,
    )


def next_for(person: User, *, skip: str = "") -> UUID | None:
    """Return the most urgent proposal that this person can decide now, but not this one.

    Looks only at the first hundred candidates.
    """
    rights = slots.rights_of(person)
    perhaps = slots.perhaps_mine(rights)
    if perhaps is None:
        return None
    dense = reading.dense(visibility.seen_services(rights))
    lens = reading.lens(rights, Filters(), dense).narrowed(perhaps)
    first = walk.walk(lens, REVIEW, 4 * PAGE).first
    for start in range(0, len(first), FEW):
        some = first[start : start + FEW]
        able = _able(rights, some)
        for place in some:
            if place.proposal_id in able and str(place.proposal_id) != skip:
                return place.proposal_id
    return None


def _able(rights: slots.Rights, places: Iterable[Place]) -> dict[UUID, tuple[str, ...]]:
    return slots.open_slots_by_id(rights, [place.proposal_id for place in places])


def _asking(person: User, lens: Lens) -> Found:
    """Return the waiting runs that ask people, and that this person may answer.

    They are few: they are read by the index of states.
    """
    rows = section(QueueEntry.objects.filter(lens.each, proposal__state=WAITING), REVIEW)
    found = rows.select_related("proposal").order_by("place")[: FEW + 1]
    return Found(
        [
            Place(row.pk, row.place, row.target)
            for row in found
            if visibility.may_halt(person, row.proposal)
        ]
    )


def _side_by_side(
    person: User, rights: slots.Rights, lens: Lens, perhaps: Q | None, filters: Filters
) -> list[Part]:
    mine, seemed = _mine(rights, lens, perhaps, filters)
    asking = _asking(person, lens)
    shown = [place.proposal_id for place in asking.places]
    rest = (lens if perhaps is None else lens.narrowed(~perhaps)).narrowed(~Q(pk__in=shown))
    # If the person's own proposals fill the head of the queue, this part may be short.
    steps = reading.STEPS if lens.two_sided else 2
    others = _part("others", rest, REVIEW, PAGE, filters.but(state=REVIEW), steps=steps)
    others.found.first = sorted([*others.found.first, *seemed], key=lambda place: place.place)
    return [
        mine,
        Part(ASKS, asking),
        _part(STOPPED, lens, STOPPED, FEW, filters.but(state=STOPPED)),
        others,
        _part(NEW, lens, NEW, FEW, filters.but(state=NEW)),
        _part(RUNNING, lens, RUNNING, FEW, filters.but(state=RUNNING)),
        _lately(lens, filters),
    ]


def _mine(
    rights: slots.Rights,
    lens: Lens,
    perhaps: Q | None,
    filters: Filters,
    after: str | None = None,
) -> tuple[Part, list[Place]]:
    """Return what the person may decide by the exact rule, and the other candidates."""
    if perhaps is None:
        return Part(MINE, Found()), []
    whole = filters.but(show=MINE, state="")
    part = _part(MINE, lens.narrowed(perhaps), REVIEW, PAGE, whole, after)
    found = part.found
    able = _able(rights, found.places)
    seemed = [place for place in found.places if place.proposal_id not in able]
    theirs = sorted(
        (place for place in found.places if place.proposal_id in able), key=lambda one: one.place
    )
    # The most urgent proposal on a target may be for others: the group starts with their first.
    leading: dict[str, Place] = {}
    for place in theirs:
        alone = lens.flat or not place.target
        leading.setdefault(place.place if alone else place.target, place)
    found.first = list(leading.values())
    found.behind = [place for place in theirs if place not in found.first]
    return part, seemed


def _all_mine(rights: slots.Rights, perhaps: Q | None, dense: bool) -> Part:
    """Return what waits for the person, without filters."""
    return _mine(rights, reading.lens(rights, Filters(), dense), perhaps, Filters())[0]


def _part(
    key: str,
    lens: Lens,
    name: str,
    most: int,
    more: str,
    after: str | None = None,
    steps: int = reading.STEPS,
) -> Part:
    """Return the first lines of a section.

    With `after`, the link to more continues there; without it, the link opens the whole section.
    """
    found = walk.walk(lens, name, most, after=after or "", steps=steps)
    if after is not None:
        more = f"{more}&after={cursors.sealed(found.following)}"
    return Part(key, found, more if found.following else "")


def _lately(lens: Lens, filters: Filters) -> Part:
    since = (timezone.now() - LATELY - _EPOCH) // timedelta(microseconds=1)
    found = walk.walk(lens, ENDED, FEW, until=f"9{_LAST - since}")
    more = filters.but(state=ENDED) if found.following else ""
    return Part(ENDED, found, more, title="lately")


def _groups(person: UUID, parts: list[Part], mine: set[UUID]) -> tuple[QueueGroup, ...]:
    keys = {place.proposal_id for part in parts for place in part.found.places}
    entries = proposal_rows.readable(QueueEntry.objects.filter(pk__in=keys))
    rows = groups.owned(groups.looked_at(proposal_rows.rows(entries), person))
    rows = {key: replace(row, mine=key in mine) for key, row in rows.items()}
    return tuple(
        QueueGroup(
            part.key,
            str(TITLES[part.title or part.key][0]),
            str(TITLES[part.title or part.key][1]),
            groups.grouped(
                [
                    rows[place.proposal_id]
                    for place in part.found.first
                    if place.proposal_id in rows
                ],
                [
                    rows[place.proposal_id]
                    for place in part.found.behind
                    if place.proposal_id in rows
                ],
                part.found.totals,
            ),
            part.more,
            part.found.looked,
        )
        for part in parts
    )


def _format_count(mine: Part, asking: int) -> str:
    """Format the count: `3`, or `50+` when there are more than were read."""
    found = mine.found
    shown = len(found.places) + asking
    counted = [place for place in found.places if place.target in found.totals]
    led = {place.target for place in counted}
    hidden = sum(found.totals[target] for target in led) - len(counted)
    return f"{shown}+" if mine.more or hidden > 0 else str(shown)
