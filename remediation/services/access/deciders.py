"""Who has decided in the present round, who still can, and who cannot and why.

Computed anew at each call, so a right that somebody lost a moment ago shows at once. Only for
people who may see the proposal: it holds names. See domain/slots.py for the rule itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from remediation.domain.fillable import unfilled
from remediation.domain.slots import KEY_ROLES, Asked, fits, left_open
from remediation.models import Proposal, Review
from remediation.services.access import authorize
from remediation.services.access.asked import asked_by

NO_RIGHT = "has no right to review an affected service"
ALL_FILLED = "every slot of this role is filled"


@dataclass(frozen=True)
class Decider:
    """One person and what that person can do in this round."""

    person: UUID
    name: str
    # The open slots that the person could fill; of a person who approved, the slot filled.
    slots: tuple[str, ...]
    # "approve", "reject", "return", or "" for nothing yet.
    decided: str
    # Why the person cannot decide, in fixed words (`vocabulary.saying`); empty if the person can.
    why_not: tuple[str, ...]

    @property
    def can_decide(self) -> bool:
        return not self.decided and not self.why_not


@dataclass(frozen=True)
class _Round:
    """The present round: what is asked, who is concerned, what was decided."""

    asked: Asked[int]
    roles: Mapping[UUID, frozenset[str]]
    rights: Mapping[UUID, frozenset[int]]
    excluded: Mapping[str, tuple[str, ...]]
    reviews: tuple[tuple[UUID, str, str], ...]

    @property
    def open_slots(self) -> tuple[str, ...]:
        approved = (slot for _, slot, decision in self.reviews if decision == "approve")
        return left_open(self.asked.slots, approved)

    def fitting(self, person: UUID) -> tuple[str, ...]:
        """Return the slots that the person may fill, by roles and rights alone."""
        return self.asked.fitting(self.roles[person], self.rights.get(person, frozenset()))

    def living(self, *, without: UUID | None = None) -> dict[UUID, tuple[str, ...]]:
        """Return the slots that each active, entitled and not excluded person may fill."""
        return {
            person: self.fitting(person)
            for person in self.roles
            if person != without and str(person) not in self.excluded
        }


def deciders(proposal: Proposal) -> tuple[Decider, ...]:
    """Return everybody whose role the round asks for: first who can decide, then who cannot.

    Empty before the first assessment.
    """
    found = _round(proposal)
    if found is None:
        return ()
    decided = {person: (slot, decision) for person, slot, decision in found.reviews}
    names = _names({*found.roles, *decided})
    given = [_decided(one, names[one], *how) for one, how in decided.items()]
    given += [_undecided(one, names[one], found) for one in found.roles if one not in decided]
    return tuple(sorted(given, key=lambda d: (bool(d.why_not), not d.decided, d.name)))


def missing(proposal: Proposal) -> tuple[str, ...]:
    """Return the open slots that no living people can fill together; empty if all can be filled.

    "Living": active, entitled and not excluded. Whether their keys stand in the approvers file
    only the worker knows.
    """
    found = _round(proposal)
    if found is None:
        return ()
    decided = {person for person, _, _ in found.reviews}
    left = {one: slots for one, slots in found.living().items() if one not in decided}
    return unfilled(found.open_slots, left)


def would_remain(proposal: Proposal, *, without: UUID) -> tuple[str, ...]:
    """Return the slots that nobody could fill if this person were excluded; empty if none.

    For whoever is about to correct the proposal: its successor asks for all slots anew, and its
    editor fills none. The successor's own ruling may ask for others; this one is what is known.
    """
    found = _round(proposal)
    return () if found is None else unfilled(found.asked.slots, found.living(without=without))


def _decided(person: UUID, name: str, slot: str, decision: str) -> Decider:
    return Decider(person, name, (slot,) if decision == "approve" else (), decision, ())


def _undecided(person: UUID, name: str, found: _Round) -> Decider:
    fitting = found.fitting(person)
    slots = tuple(slot for slot in fitting if slot in found.open_slots)
    why = found.excluded.get(str(person), ())
    if not fitting:
        why = (*why, NO_RIGHT)
    elif not slots:
        why = (*why, ALL_FILLED)
    return Decider(person, name, () if why else slots, "", why)


def _round(proposal: Proposal) -> _Round | None:
    assessment = authorize.newest(proposal)
    if assessment is None:
        return None
    asked = asked_by(assessment)
    roles = {
        person: held
        for person, held in _active_roles().items()
        if any(fits(slot, held) for slot in asked.slots)
    }
    reviews = Review.objects.filter(proposal=proposal, round=proposal.round).order_by("pk")
    return _Round(
        asked,
        roles,
        _rights(roles, asked.services),
        authorize.excluded(proposal.pk),
        tuple(reviews.values_list("person", "slot", "decision")),
    )


def _active_roles() -> dict[UUID, frozenset[str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person, array_agg(role) FROM remediation.entitlement"
            " WHERE active AND role = ANY(%s) GROUP BY person",
            [list(KEY_ROLES)],
        )
        return {person: frozenset(held) for person, held in cursor.fetchall()}


def _rights(people: Collection[UUID], services: Collection[int]) -> dict[UUID, frozenset[int]]:
    """Return the services of these that each person may review."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person, array_agg(service_id) FROM remediation.service_right"
            " WHERE codename = 'review_service' AND person = ANY(%s) AND service_id = ANY(%s)"
            " GROUP BY person",
            [list(people), list(services)],
        )
        return {person: frozenset(held) for person, held in cursor.fetchall()}


def _names(people: Collection[UUID]) -> dict[UUID, str]:
    """Return user names; of an erased account its id. A view that web and worker both may read."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT person, username FROM remediation.account WHERE person = ANY(%s)",
            [list(people)],
        )
        return {**{person: str(person) for person in people}, **dict(cursor.fetchall())}
