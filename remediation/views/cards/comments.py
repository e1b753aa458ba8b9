"""The card of comments: what people said and asked, and the form to say more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Q
from django.utils.translation import gettext, ngettext

from remediation.models import Incident, IncidentAssignment, IncidentComment, Proposal, User
from remediation.services.access import visibility
from remediation.services.reporting.viewers import named, viewers
from remediation.views.cards.history import HistoryRow
from remediation.views.forms import CommentForm
from remediation.views.names import Names

# A page shows so many, the newest; the history has all.
MOST = 100


@dataclass(frozen=True)
class CommentRow:
    """One comment; ``about`` is the proposal that it is about."""

    at: datetime
    author: str
    text: str
    asked: tuple[str, ...]
    about: UUID | None
    you: bool  # the reader is asked


@dataclass(frozen=True)
class Comments:
    """The comments, newest first, and the form; ``proposal_id`` is set on a review page."""

    incident_id: UUID
    proposal_id: UUID | None
    rows: tuple[CommentRow, ...]
    earlier: int  # how many more the history has
    form: CommentForm

    @property
    def asks_you(self) -> bool:
        return any(row.you for row in self.rows)


def comments_card(
    person: User,
    incident: Incident,
    proposal: Proposal | None = None,
    form: CommentForm | None = None,
) -> Comments:
    """Return what this person may read: of the incident, and of ``proposal`` or all proposals."""
    seen = [proposal] if proposal else visibility.visible_proposals(person)
    found = incident.comments.filter(Q(proposal=None) | Q(proposal__in=seen)).order_by("-pk")
    part = list(found[: MOST + 1])
    return Comments(
        incident_id=incident.pk,
        proposal_id=proposal.pk if proposal else None,
        rows=_rows(person, part[:MOST]),
        earlier=found.count() - MOST if len(part) > MOST else 0,
        form=form or CommentForm(people=to_ask(person, incident, proposal)),
    )


def to_ask(
    person: User, incident: Incident, proposal: Proposal | None = None
) -> tuple[tuple[UUID, str], ...]:
    """Return whom this person can ask: others who may see what the comment is about."""
    seen = viewers(incident.pk, proposal.pk if proposal else None)
    return named(seen - {person.person})


def _rows(person: User, found: Sequence[IncidentComment]) -> tuple[CommentRow, ...]:
    names = Names([who for row in found for who in (row.person, *row.asked)])
    return tuple(
        CommentRow(
            at=row.recorded_at,
            author=names.person(row.person),
            text=row.text,
            asked=tuple(names.person(who) for who in row.asked),
            about=row.proposal_id,
            you=person.person in row.asked,
        )
        for row in found
    )


def comment_rows(person: User, incident: Incident) -> Iterator[HistoryRow]:
    """Yield each comment that this person may read, for a history."""
    seen = visibility.visible_proposals(person)
    found = list(incident.comments.filter(Q(proposal=None) | Q(proposal__in=seen)))
    names = Names([who for row in found for who in (row.person, *row.asked)])
    for row in found:
        asked = ", ".join(names.person(who) for who in row.asked)
        yield HistoryRow(
            at=row.recorded_at,
            kind="comment",
            word="comment",
            title=_asked(asked) if asked else gettext("commented"),
            actor=names.person(row.person),
            entry=row.entry,
            reason=row.text,
            language="",
            proposal=row.proposal_id,
        )


def _asked(people: str) -> str:
    return gettext("asks %(people)s") % {"people": people}


def assignment_rows(incident: Incident) -> Iterator[HistoryRow]:
    """Yield who got the incident, for a history."""
    found = list(IncidentAssignment.objects.filter(incident=incident))
    people = [str(row.person) for row in found if row.person]
    names = Names.of_actors([*(f"person:{one}" for one in people), *(row.actor for row in found)])
    for row in found:
        mine = row.actor == f"person:{row.person}"
        if row.person is None:
            title = gettext("Gave it up: nobody has it")
        elif mine:
            title = gettext("Took it")
        else:
            title = gettext("Gave it to %(name)s") % {"name": names.person(row.person)}
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word="assigned",
            title=title,
            actor=names.actor(row.actor),
            entry=row.entry,
        )


def notice_rows(incident: Incident) -> Iterator[HistoryRow]:
    """Yield when people were told about the incident, for a history."""
    for row in incident.notices.all():
        yield HistoryRow(
            at=row.recorded_at,
            kind="note",
            word="notice",
            title=_told(row.kind),
            actor=gettext("the worker"),
            entry=row.entry,
        )


def _told(kind: str) -> str:
    if kind == "plan:new":
        return gettext("Told the approvers that it needs a plan")
    if kind.startswith("plan:late:"):
        days = int(kind.rpartition(":")[2])
        if not days:
            return gettext("Told the leads: the time for a plan has passed")
        return ngettext(
            "Told the leads again: no plan for %(days)d day",
            "Told the leads again: no plan for %(days)d days",
            days,
        ) % {"days": days}
    if kind == "unread":
        return gettext("Told the leads: its identity cannot be read")
    return gettext("Told people that it is open again")
