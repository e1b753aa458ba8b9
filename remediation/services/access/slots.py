"""Find the slots that a person could fill, for whole lists in a few queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import F, Q

from remediation.domain.slots import ANY, left_open
from remediation.models import Assessment, AssessmentService, Proposal, Review, User
from remediation.services.access import authorize


@dataclass(frozen=True)
class Rights:
    """A person's roles and rights, read once per page; empty for an inactive account."""

    person: UUID
    roles: frozenset[str]
    approver: frozenset[str]  # the approver roles among them
    view: frozenset[int]  # services whose proposals the person may see
    review: frozenset[int]  # services whose proposals the person may decide


def rights_of(user: User) -> Rights:
    """Read a person's roles and rights, in three queries."""
    found = authorize.roles(user)
    held: dict[str, set[int]] = {"view_service": set(), "review_service": set()}
    if found:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT codename, service_id FROM remediation.service_right"
                " WHERE person = %s AND codename = ANY(%s)",
                [user.person, list(held)],
            )
            for codename, service_id in cursor.fetchall():
                held[codename].add(service_id)
    return Rights(
        person=user.person,
        roles=found,
        approver=authorize.approver_roles(user.person) if found else frozenset(),
        view=frozenset(held["view_service"] | held["review_service"]),
        review=frozenset(held["review_service"]),
    )


def open_slots_for(user: User, proposal: Proposal) -> tuple[str, ...]:
    """Return the slots of the round that this person could fill now; empty if none."""
    return open_slots_of(rights_of(user), [proposal]).get(proposal.pk, ())


def open_slots_of(rights: Rights, proposals: Iterable[Proposal]) -> dict[UUID, tuple[str, ...]]:
    """Return the slots that this person could fill now, by proposal."""
    waiting = [proposal.pk for proposal in proposals if proposal.state == "in_review"]
    return open_slots_by_id(rights, waiting)


def open_slots_by_id(rights: Rights, waiting: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    """Return the slots that this person could fill now, by proposal id, in four queries.

    Leaves out proposals that are not in review or that the person may not decide.
    """
    if not waiting or not rights.approver:
        return {}
    direct, taken = _direct_services(waiting), _taken(waiting)
    out = excluded_from(rights.person, waiting)
    found: dict[UUID, tuple[str, ...]] = {}
    for proposal_id, slots in _slots(waiting):
        reviews = taken.get(proposal_id, [])
        if proposal_id in out or any(person == rights.person for person, _, _ in reviews):
            continue
        if direct.get(proposal_id, frozenset()) <= rights.review:
            free = left_open(
                slots, [slot for _, slot, decision in reviews if decision == "approve"]
            )
            fits = tuple(
                dict.fromkeys(slot for slot in free if slot == ANY or slot in rights.approver)
            )
            if fits:
                found[proposal_id] = fits
    return found


def excluded_from(person: UUID, proposals: Iterable[UUID]) -> frozenset[UUID]:
    """Return the proposals from which this person is excluded (promise 4), in one query."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.id FROM unnest(%s::uuid[]) AS p (id) WHERE EXISTS ("
            "  SELECT 1 FROM remediation.excluded_v1(p.id) x WHERE x.person = %s)",
            [list(proposals), str(person)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def _slots(proposals: list[UUID]) -> Iterable[tuple[UUID, list[str]]]:
    current = Assessment.objects.filter(
        proposal__in=proposals, round=F("proposal__round"), proposal__state="in_review"
    )
    return current.values_list("proposal_id", "slots")


def _direct_services(proposals: list[UUID]) -> dict[UUID, set[int]]:
    rows = AssessmentService.objects.filter(
        assessment__proposal__in=proposals,
        assessment__round=F("assessment__proposal__round"),
        depth=1,
    ).values_list("assessment__proposal_id", "service_id")
    found: dict[UUID, set[int]] = {}
    for proposal_id, service_id in rows:
        found.setdefault(proposal_id, set()).add(service_id)
    return found


def _taken(proposals: list[UUID]) -> dict[UUID, list[tuple[UUID, str, str]]]:
    rows = Review.objects.filter(proposal__in=proposals, round=F("proposal__round")).values_list(
        "proposal_id", "person", "slot", "decision"
    )
    found: dict[UUID, list[tuple[UUID, str, str]]] = {}
    for proposal_id, person, slot, decision in rows:
        found.setdefault(proposal_id, []).append((person, slot, decision))
    return found


def perhaps_mine(rights: Rights) -> Q | None:
    """Return a filter for queue entries that the person may be able to decide; None if none.

    Over-approximates, since the exact answer costs more; confirm with `open_slots_of`.
    """
    if not rights.approver:
        return None
    slots = [*sorted(rights.approver), ANY]
    return (
        Q(state="in_review", open_slots__overlap=slots, direct__contained_by=sorted(rights.review))
        & ~Q(decided__contains=[rights.person])
        & ~Q(agent__in=_own_agents(rights.person))
    )


def _own_agents(person: UUID) -> list[UUID]:
    """Return the agents that the person owns, or for which it made a token that is still valid.

    The person never decides on their proposals.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.agent_id FROM remediation.agent_now a WHERE a.owner = %s"
            " UNION SELECT t.agent_id FROM public.remediation_agenttoken t"
            " WHERE t.created_by = %s AND t.expires_at > now() AND NOT EXISTS ("
            "  SELECT 1 FROM public.remediation_agenttokenrevocation r WHERE r.token_id = t.id)",
            [person, person],
        )
        return [row[0] for row in cursor.fetchall()]
