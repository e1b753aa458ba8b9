"""Find the slots that a person could fill, for whole lists in a few queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import F, Q

from remediation.domain.slots import LEAD, OWNERS, SERVICE_OWNER, SLOTS, fits, left_open
from remediation.models import Narrowing, Proposal, Review, User
from remediation.services.access import authorize
from remediation.services.access.asked import asked_in_review


@dataclass(frozen=True)
class Rights:
    """A person's roles and rights, read once per page; empty for an inactive account."""

    person: UUID
    roles: frozenset[str]
    deciding: frozenset[str]  # the roles among them that can fill a slot
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
        deciding=authorize.deciding_roles(user.person) if found else frozenset(),
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
    if not waiting or not rights.deciding:
        return {}
    taken, out = _taken(waiting), excluded_from(rights.person, waiting)
    found: dict[UUID, tuple[str, ...]] = {}
    for proposal_id, asked in asked_in_review(waiting).items():
        reviews = taken.get(proposal_id, [])
        if proposal_id in out or any(person == rights.person for person, _, _ in reviews):
            continue
        free = left_open(asked.slots, (slot for _, slot, said in reviews if said == "approve"))
        fitting = asked.fitting(rights.deciding, rights.review)
        if open_to := tuple(slot for slot in fitting if slot in free):
            found[proposal_id] = open_to
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


def _taken(proposals: list[UUID]) -> dict[UUID, list[tuple[UUID, str, str]]]:
    rows = Review.objects.filter(proposal__in=proposals, round=F("proposal__round")).values_list(
        "proposal_id", "person", "slot", "decision"
    )
    found: dict[UUID, list[tuple[UUID, str, str]]] = {}
    for proposal_id, person, slot, decision in (*rows, *narrowed(proposals)):
        found.setdefault(proposal_id, []).append((person, slot, decision))
    return found


def narrowed(proposals: list[UUID]) -> Iterable[tuple[UUID, UUID, str, str]]:
    """Return the narrowings that count as approvals of the current round."""
    rows = Narrowing.objects.filter(
        proposal__in=proposals,
        proposal__assessments__round=F("proposal__round"),
        proposal__assessments__narrowing_counts=True,
    ).values_list("proposal_id", "person", "slot")
    return ((proposal_id, person, slot, "approve") for proposal_id, person, slot in rows)


def perhaps_mine(rights: Rights) -> Q | None:
    """Return a filter for queue entries that the person may be able to decide; None if none.

    Over-approximates, since the exact answer costs more; confirm with `open_slots_of`.
    """
    if not rights.deciding:
        return None
    fitting = [slot for slot in SLOTS if fits(slot, rights.deciding)]
    # `Asked.may_fill`, without knowing which services an owner's slot names: one of those touched.
    counts = Q(direct=[]) | Q(open_slots__contains=[LEAD])
    if rights.review:
        mine = sorted(rights.review)
        counts |= Q(direct__overlap=mine)
        if SERVICE_OWNER in rights.deciding:
            counts |= Q(open_slots__overlap=OWNERS, touched__overlap=mine)
    return (
        Q(state="in_review", open_slots__overlap=fitting)
        & counts
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
