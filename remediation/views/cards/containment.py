"""The card of an incident's containment: since when, by what, the looks, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_lazy

from audit.tlog.canonical import Json
from remediation.domain import errors
from remediation.domain.containment import Found, Missing, SeenPlace, Why, look_due, places
from remediation.domain.states import IncidentState, ProposalState
from remediation.models import Incident, IncidentLook, IncidentTransition, Proposal, User
from remediation.services.access import visibility
from remediation.services.clock import database_now
from remediation.services.execution import contain, look_subject
from remediation.services.reporting import incidents
from remediation.views.cards.fields import Field
from remediation.views.cards.history import HistoryRow
from remediation.views.names import Names

# The guard has the same number.
CONFIRM_FOR = timedelta(minutes=10)
FOUND = {
    Found.WITHOUT: gettext_lazy("without access"),
    Found.ACCESS: gettext_lazy("has access"),
    Found.UNREAD: gettext_lazy("could not be read"),
}
# Words of the vocabulary with the tone of each.
TONE = {Found.WITHOUT: "pass", Found.ACCESS: "fail", Found.UNREAD: "warn"}
LACKS = {
    Why.NOT_ACTED_ON: gettext_lazy("No step of the run works on the identity of this incident."),
    Why.NOT_REMOVED: gettext_lazy("The step on the identity takes no access away."),
    Why.NO_PLACES: gettext_lazy("No place where the identity is without access is on record."),
    Why.PLACE_ACCESS: gettext_lazy("The identity had access there."),
    Why.PLACE_UNREAD: gettext_lazy("It could not be read there."),
    Why.SEEN_TOO_EARLY: gettext_lazy(
        "It was seen at %(at)s, too long before the end of the run. The worker looks again."
    ),
}


@dataclass(frozen=True)
class PlaceRow:
    place_untrusted: str
    tone: str
    words: str
    open_untrusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class LookCard:
    """One look of the worker."""

    look_id: int
    at: datetime
    tone: str
    words: str
    why_untrusted: str
    places: tuple[PlaceRow, ...]


@dataclass(frozen=True)
class Acted:
    """A run that ended and did not contain the incident, with what is missing."""

    proposal_id: UUID
    at: datetime
    stopped: bool
    lacks: tuple[PlaceRow, ...]


@dataclass(frozen=True)
class Containment:
    """What the page says of the containment."""

    # When it was contained, or opened again; None if it never moved.
    since: datetime | None
    by_proposal: UUID | None
    by_look: int | None
    by_person: str
    reopened_untrusted: str  # why it is open again; empty if it is not
    look: LookCard | None
    next_look: datetime | None
    asked: datetime | None  # a request that no look has answered yet
    acted: tuple[Acted, ...]
    may_ask: bool
    confirmable: int  # the look that this person may confirm now; 0: none


def containment(person: User, incident: Incident, state: str) -> Containment:
    """Return the card for this person; reads only."""
    move = incident.transitions.order_by("-pk").first()
    newest = incident.looks.order_by("-pk").first()
    may = state != IncidentState.CLOSED and _may_confirm(person, incident)
    contained = move if move and state == IncidentState.CONTAINED else None
    opened = move if move and state == IncidentState.OPEN else None
    return Containment(
        since=move.recorded_at if move else None,
        by_proposal=move.proposal_id if move else None,
        by_look=move.look_id if move else None,
        by_person=_person(move),
        reopened_untrusted=opened.reason if opened else "",
        look=_look(newest) if newest else None,
        next_look=_next(contained, newest) if contained else None,
        asked=_asked(incident, newest),
        acted=tuple(_acted(incident, move)) if state == IncidentState.OPEN else (),
        may_ask=may and look_subject.can_look(incident),
        confirmable=_confirmable(state, newest, move) if may else 0,
    )


def lacks(proposal: Proposal) -> tuple[PlaceRow, ...]:
    """Return what keeps a run from containing its incident, in words."""
    return tuple(_lack(one) for one in contain.lacks(proposal))


def look_rows(incident: Incident) -> Iterator[HistoryRow]:
    """Yield the looks and the requests for them, for a history."""
    requests = list(incident.look_requests.all())
    names = Names([request.person for request in requests])
    for request in requests:
        yield HistoryRow(
            at=request.recorded_at,
            kind="note",
            word="in_review",
            title=gettext("Asked the worker to look at the identity"),
            actor=names.person(request.person),
            entry=request.entry,
        )
    looks = list(incident.looks.all())
    actors = Names.of_actors([row.actor for row in looks])
    for row in looks:
        card = _look(row)
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word=card.tone,
            title=gettext("Looked at the identity: %(found)s") % {"found": card.words},
            actor=actors.actor(row.actor),
            entry=row.entry,
            reason=card.why_untrusted,
            fields=place_fields(row.data),
        )


def place_fields(recorded: Mapping[str, Json]) -> tuple[Field, ...]:
    """Return the places of a recorded look or step, for a history."""
    return tuple(
        Field(gettext("place"), ": ".join([one.place, str(FOUND[one.found]), *one.open]))
        for one in places(recorded.get("points"))
    )


def _look(row: IncidentLook) -> LookCard:
    found = Found(row.found)
    return LookCard(
        look_id=row.pk,
        at=parse_datetime(str(row.data.get("at", ""))) or row.recorded_at,
        tone=TONE[found],
        words=str(FOUND[found]),
        why_untrusted=str(row.data.get("why") or ""),
        places=tuple(_place(one) for one in places(row.data.get("points"))),
    )


def _place(one: SeenPlace) -> PlaceRow:
    return PlaceRow(one.place, TONE[one.found], str(FOUND[one.found]), one.open)


def _lack(one: Missing) -> PlaceRow:
    tone = TONE[Found.ACCESS if one.why is Why.PLACE_ACCESS else Found.UNREAD]
    words = str(LACKS[one.why])
    if one.at is not None:
        words %= {"at": f"{one.at:%Y-%m-%d %H:%M:%S} UTC"}
    return PlaceRow(one.place, tone, words, one.open)


def _next(move: IncidentTransition, newest: IncidentLook | None) -> datetime:
    since = newest if newest and newest.recorded_at > move.recorded_at else None
    return look_due(
        move.recorded_at,
        since.recorded_at if since else None,
        int(since.data.get("in_a_row", 0)) if since else 0,
    )


def _asked(incident: Incident, newest: IncidentLook | None) -> datetime | None:
    request = incident.look_requests.order_by("-pk").first()
    if request is None or (newest is not None and newest.recorded_at > request.recorded_at):
        return None
    return request.recorded_at


def _acted(incident: Incident, move: IncidentTransition | None) -> Iterator[Acted]:
    """Yield the newest run that ended since the incident's newest move."""
    runs = incident.proposals.filter(
        execution__isnull=False, state__in=(ProposalState.SUCCEEDED, ProposalState.STOPPED)
    )
    for proposal in runs.order_by("-execution__pk")[:1]:
        end = proposal.transitions.order_by("-pk").first()
        if end is None or (move is not None and end.recorded_at <= move.recorded_at):
            continue
        yield Acted(
            proposal.pk, end.recorded_at, proposal.state == ProposalState.STOPPED, lacks(proposal)
        )


def _confirmable(state: str, newest: IncidentLook | None, move: IncidentTransition | None) -> int:
    if state != IncidentState.OPEN or newest is None or newest.found != Found.WITHOUT:
        return 0
    if move is not None and newest.recorded_at <= move.recorded_at:
        return 0
    fresh = newest.recorded_at + CONFIRM_FOR > database_now()
    return newest.pk if fresh and incidents.holds(newest) else 0


def _may_confirm(person: User, incident: Incident) -> bool:
    try:
        visibility.refuse_to_confirm(person, incident)
    except errors.AccessRefused:
        return False
    return True


def _person(move: IncidentTransition | None) -> str:
    if move is None or not move.actor.startswith("person:"):
        return ""
    return Names.of_actors([move.actor]).actor(move.actor)
