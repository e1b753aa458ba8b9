"""The card of the live state of identities: what the worker read, when, where, and the pin beside.

A difference between the two is said. A secret from evidence is shown by artefact and rule only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext, gettext_lazy

from remediation import vocabulary
from remediation.domain.catalogue import kind_of
from remediation.domain.errors import BadInput
from remediation.domain.live import Found, Reading, differences, lines
from remediation.domain.observation import Pinned, parse_pin
from remediation.domain.states import IncidentState
from remediation.models import (
    Incident,
    LiveObservation,
    LiveRequest,
    Proposal,
    User,
)
from remediation.services.access import authorize
from remediation.services.assessment import live as service
from remediation.services.clock import database_now
from remediation.services.reporting import incidents
from remediation.views.cards.fields import Field, format_canonical
from remediation.views.cards.leaked import SecretsCard, secrets_card

FOUND = {
    Found.ACCESS: gettext_lazy("active"),
    Found.WITHOUT: gettext_lazy("not active"),
    Found.UNREAD: gettext_lazy("could not be read"),
    Found.NOT_KNOWN: gettext_lazy("not looked at"),
}
# Words of the vocabulary with the tone of each.
TONE = {Found.ACCESS: "fail", Found.WITHOUT: "pass", Found.UNREAD: "warn", Found.NOT_KNOWN: "warn"}
SHOWN = 3


@dataclass(frozen=True)
class LiveLine:
    """One sentence about the identity, with the names that stand below it."""

    text_untrusted: str
    items_untrusted: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """A pinned field that is otherwise now."""

    name: str
    pinned_untrusted: str
    now_untrusted: str


@dataclass(frozen=True)
class LiveRow:
    """One identity: the newest answer, and whether another one is on its way."""

    locator_untrusted: str
    kind: str
    own: bool  # the incident's own identity
    waiting: bool
    # A request that nobody answered in time: no worker takes this queue, or its process is stuck.
    unanswered: bool
    at: datetime | None = None  # None: never read
    tone: str = ""
    words: str = ""
    why_untrusted: str = ""
    known: bool = True
    gone: bool = False
    simulated: bool = False
    places_untrusted: tuple[str, ...] = ()
    open_untrusted: tuple[str, ...] = ()
    lines: tuple[LiveLine, ...] = ()
    fields: tuple[Field, ...] = ()
    pinned_at: datetime | None = None
    differences: tuple[Difference, ...] = ()
    secrets: SecretsCard | None = None


@dataclass(frozen=True)
class LiveCard:
    """The card of an incident, or of a proposal of it."""

    incident_id: UUID
    proposal_id: UUID | None
    rows: tuple[LiveRow, ...]
    # Whether the page's script asks when the page is opened: not about a closed incident.
    on_opening: bool
    may_add: bool

    @property
    def more(self) -> int:
        """Return how many are folded: a card beside a decision shows three."""
        return max(0, len(self.rows) - SHOWN)

    @property
    def waiting(self) -> bool:
        return any(row.waiting for row in self.rows)


def live_card(person: User, incident: Incident, proposal: Proposal | None = None) -> LiveCard:
    """Return the card; reads only."""
    named = service.identities(incident, proposal)
    pins, pinned_at = _pins(proposal)
    now = database_now()
    return LiveCard(
        incident_id=incident.pk,
        proposal_id=proposal.pk if proposal else None,
        rows=tuple(
            _row(incident, one.locator, pins.get(one.locator), pinned_at, now) for one in named
        ),
        on_opening=incidents.state(incident) is not IncidentState.CLOSED,
        may_add=person.has_perm("remediation.add_identity"),
    )


def _row(
    incident: Incident,
    locator: str,
    pinned: Pinned | None,
    pinned_at: datetime | None,
    now: datetime,
) -> LiveRow:
    request, kind = service.newest(incident, locator), kind_of(locator)
    base = LiveRow(
        locator_untrusted=locator,
        kind=vocabulary.saying(kind.title) if kind else "",
        own=locator == incident.locator,
        waiting=service.is_waiting(request, now),
        unanswered=_is_unanswered(request, now),
        secrets=secrets_card(incident, locator),
    )
    answer = _newest_answer(incident, locator)
    return _answered(base, answer, pinned, pinned_at) if answer is not None else base


def _answered(
    base: LiveRow, answer: LiveObservation, pinned: Pinned | None, pinned_at: datetime | None
) -> LiveRow:
    try:
        reading = Reading.parse(bytes(answer.body))
    except BadInput:
        reading = Reading("", None, why="the record cannot be read")
    seen = reading.observation
    kind = base.locator_untrusted.partition(":")[0]
    told = tuple(_lines(kind, reading)) if seen and seen.exists else ()
    compared = differences(pinned.state, pinned.exists, reading) if pinned else ()
    return LiveRow(
        **{
            **vars(base),
            "at": parse_datetime(reading.at) or answer.recorded_at,
            "tone": TONE[reading.found],
            "words": str(_words(reading)),
            "why_untrusted": vocabulary.saying(reading.why),
            "known": reading.known,
            "gone": bool(seen and not seen.exists),
            "simulated": bool(seen and seen.simulated),
            "places_untrusted": tuple(
                one.place for one in reading.places if one.place != base.locator_untrusted
            ),
            "open_untrusted": tuple(text for one in reading.places for text in one.open),
            "lines": told,
            "fields": () if told else _fields(reading),
            "pinned_at": pinned_at if pinned and seen else None,
            "differences": tuple(
                Difference(name, format_canonical(then), format_canonical(is_now))
                for name, then, is_now in compared
            ),
        }
    )


def _words(reading: Reading) -> object:
    if reading.observation is not None and not reading.observation.exists:
        return gettext("not there")
    return FOUND[reading.found]


def _lines(kind: str, reading: Reading) -> Iterator[LiveLine]:
    if reading.observation is None:
        return
    for line in lines(kind, reading.observation):
        yield LiveLine(line.fill(vocabulary.saying(line.sentence)), line.items_untrusted)


def _fields(reading: Reading) -> tuple[Field, ...]:
    """Return what was read of a kind that declares no sentences."""
    if reading.observation is None or not reading.observation.exists:
        return ()
    seen = {**reading.observation.state, **reading.observation.shown}
    return tuple(Field(name, format_canonical(value)) for name, value in seen.items())


def _newest_answer(incident: Incident, locator: str) -> LiveObservation | None:
    return (
        LiveObservation.objects.filter(request__incident=incident, request__locator=locator)
        .order_by("-pk")
        .first()
    )


def _is_unanswered(request: LiveRequest | None, now: datetime) -> bool:
    return (
        request is not None
        and not hasattr(request, "answer")
        and not service.is_waiting(request, now)
    )


def _pins(proposal: Proposal | None) -> tuple[Mapping[str, Pinned], datetime | None]:
    assessment = authorize.newest(proposal) if proposal is not None else None
    if assessment is None:
        return {}, None
    try:
        found = parse_pin(bytes(assessment.pin))
    except BadInput:
        return {}, None
    return {one.locator: one for one in found}, assessment.recorded_at
