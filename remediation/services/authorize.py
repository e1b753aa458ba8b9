"""Who may see and decide what: group rows and guardian's object rows, read here.

Never `user.has_perm` or guardian's shortcuts: they say yes to every superuser (attacks.md A13).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery

from remediation.domain import errors
from remediation.domain.policy import ANY, ROLES
from remediation.models import (
    NO_SERVICE,
    Assessment,
    AssessmentService,
    Dependency,
    DependencyVersion,
    Incident,
    IncidentEntry,
    Proposal,
    ProposalTarget,
    QueueEntry,
    Review,
    User,
)

AUDITOR, LEAD, SECURITY = "auditor", "lead", "security"


def roles(user: User) -> frozenset[str]:
    """The groups of an active account; none for an inactive one."""
    if not user.is_active:
        return frozenset()
    return frozenset(user.groups.values_list("name", flat=True))


def approver_roles(person: UUID) -> frozenset[str]:
    """The approver roles that an active account holds, by person."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT role FROM remediation.entitlement"
            " WHERE person = %s AND active AND role = ANY(%s)",
            [person, list(ROLES)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def holds_role(person: UUID) -> bool:
    """Whether the person is active and an approver or a lead: who may propose to undo a run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM remediation.entitlement"
            " WHERE person = %s AND active AND role = ANY(%s))",
            [person, [*ROLES, LEAD]],
        )
        return bool(cursor.fetchone()[0])


def service_ids(person: UUID, *rights: str) -> frozenset[int]:
    """The services on which the person holds one of the rights, by own rows or a group's."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT service_id FROM remediation.service_right"
            " WHERE person = %s AND codename = ANY(%s)",
            [person, list(rights)],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def excluded(proposal_id: UUID) -> dict[str, str]:
    """People who may not decide this proposal, with the reasons (promise 4)."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT person, why FROM remediation.excluded_v1(%s)", [proposal_id])
        found: dict[str, str] = {}
        for person, why in cursor.fetchall():
            found[person] = f"{found[person]}; {why}" if person in found else why
    return found


def newest(proposal: Proposal) -> Assessment | None:
    """The assessment of the proposal's round."""
    return Assessment.objects.filter(proposal=proposal, round=proposal.round).first()


def direct_services(assessment: Assessment) -> frozenset[int]:
    return frozenset(assessment.services.filter(depth=1).values_list("service_id", flat=True))


def entitled_roles(person: UUID, assessment: Assessment | None) -> frozenset[str]:
    """The approver roles that count on this proposal: held, with the right `review` on every
    service that uses the target directly. Where the inventory knows no such service the role
    alone counts, and policy asks for two of different roles."""
    held = approver_roles(person)
    if not held or assessment is None:
        return held
    if direct_services(assessment) <= service_ids(person, "review_service"):
        return held
    return frozenset()


def may_review(person: UUID, proposal: Proposal) -> bool:
    return bool(entitled_roles(person, newest(proposal))) and str(person) not in excluded(
        proposal.pk
    )


@dataclass(frozen=True)
class Rights:
    """What a person holds, read once for one page; nothing for an account that is not active."""

    person: UUID
    roles: frozenset[str]
    approver: frozenset[str]  # those of the roles that may decide
    view: frozenset[int]  # services of which proposals are seen
    review: frozenset[int]  # and decided


def rights_of(user: User) -> Rights:
    """Read in three queries."""
    found = roles(user)
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
        approver=approver_roles(user.person) if found else frozenset(),
        view=frozenset(held["view_service"] | held["review_service"]),
        review=frozenset(held["review_service"]),
    )


def open_slots_for(user: User, proposal: Proposal) -> tuple[str, ...]:
    """The slots of the round that this person could fill now; empty when it may not decide."""
    return open_slots_of(rights_of(user), [proposal]).get(proposal.pk, ())


def open_slots_of(rights: Rights, proposals: Iterable[Proposal]) -> dict[UUID, tuple[str, ...]]:
    """The slots that this person could fill now, by proposal."""
    waiting = [proposal.pk for proposal in proposals if proposal.state == "in_review"]
    return open_slots_by_id(rights, waiting)


def open_slots_by_id(rights: Rights, waiting: list[UUID]) -> dict[UUID, tuple[str, ...]]:
    """As `open_slots_of`, in four queries however many there are; a proposal that is not in review
    or on which the person may not decide is left out."""
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
            free = _free(slots, [slot for _, slot, decision in reviews if decision == "approve"])
            fits = tuple(
                dict.fromkeys(slot for slot in free if slot == ANY or slot in rights.approver)
            )
            if fits:
                found[proposal_id] = fits
    return found


def excluded_from(person: UUID, proposals: Iterable[UUID]) -> frozenset[UUID]:
    """Those of the proposals that this person may not decide (promise 4), in one query."""
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


def _free(slots: Iterable[str], taken: Iterable[str]) -> list[str]:
    free = list(slots)
    for slot in taken:
        if slot in free:
            free.remove(slot)
    return free


def slots_of(user: User, assessment: Assessment) -> tuple[str, ...]:
    """The slots of the ruling whose role the person holds, whether they are taken or not."""
    held = entitled_roles(user.person, assessment)
    return tuple(
        dict.fromkeys(slot for slot in assessment.slots if (held and slot == ANY) or slot in held)
    )


def may_halt(user: User, proposal: Proposal) -> bool:
    """Halt a run, or propose to undo one: a lead, or an approver who could fill a slot of the
    round; nobody who is excluded from deciding, since undoing gives access back."""
    if not may_view(user, proposal) or str(user.person) in excluded(proposal.pk):
        return False
    assessment = newest(proposal)
    return LEAD in roles(user) or (assessment is not None and bool(slots_of(user, assessment)))


def refuse_to_halt(user: User, proposal: Proposal) -> None:
    """Raises Separation or NotEntitled unless `may_halt`."""
    why = excluded(proposal.pk).get(str(user.person))
    if why:
        raise errors.Separation(why)
    if not may_halt(user, proposal):
        raise errors.NotEntitled("an approver of this proposal, or a lead")


def visible_proposals(user: User) -> QuerySet[Proposal]:
    """What a person may see: auditors and leads all; others what touches a service on which they
    hold a right; approvers also what touches no known service."""
    found = roles(user)
    if found & {AUDITOR, LEAD}:
        return Proposal.objects.all()
    mine = service_ids(user.person, "view_service", "review_service") if found else frozenset()
    touched = AssessmentService.objects.filter(assessment__proposal=OuterRef("pk"))
    rule = Q(Exists(touched.filter(service_id__in=mine)))
    if found & set(ROLES):
        rule |= Q(~Exists(touched))
    return Proposal.objects.filter(rule) if found else Proposal.objects.none()


def may_view(user: User, proposal: Proposal) -> bool:
    return visible_proposals(user).filter(pk=proposal.pk).exists()


def seen_services(rights: Rights) -> list[int] | None:
    """The services whose proposals a person sees, NO_SERVICE among them for approvers; None for
    those who see all. The same rule as `visible_proposals`, as the projections ask it."""
    if rights.roles & {AUDITOR, LEAD}:
        return None
    return sorted(rights.view | {NO_SERVICE}) if rights.roles & set(ROLES) else sorted(rights.view)


def visible_queue(rights: Rights) -> QuerySet[QueueEntry]:
    """The places of what `visible_proposals` lets the person see (a test compares the two)."""
    return places_of(seen_services(rights))


def places_of(seen: Sequence[int] | None) -> QuerySet[QueueEntry]:
    """What touches one of these services; None is everything, none is nothing."""
    if seen is None:
        return QueueEntry.objects.all()
    entries = QueueEntry.objects
    return entries.filter(touched__overlap=list(seen)) if seen else entries.none()


def touches(seen: Sequence[int] | None) -> Q:
    """The same rule, for rows that are at hand already (a test compares the two)."""
    return Q() if seen is None else Q(touched__holds_any=list(seen))


def perhaps_mine(rights: Rights) -> Q | None:
    """Which places may be the person's to decide: all that are, and few that are not, for the
    exact answer costs more (`open_slots_of`). None when it can be none at all."""
    if not rights.approver:
        return None
    slots = [*sorted(rights.approver), ANY]
    return (
        Q(state="in_review", open_slots__overlap=slots, direct__contained_by=sorted(rights.review))
        & ~Q(decided__contains=[rights.person])
        & ~Q(agent__in=_own_agents(rights.person))
    )


def _own_agents(person: UUID) -> list[UUID]:
    """Agents of which the person is owner now, or made a token that lives: whatever they propose,
    this person never decides it."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT a.agent_id FROM remediation.agent_now a WHERE a.owner = %s"
            " UNION SELECT t.agent_id FROM public.remediation_agenttoken t"
            " WHERE t.created_by = %s AND t.expires_at > now() AND NOT EXISTS ("
            "  SELECT 1 FROM public.remediation_agenttokenrevocation r WHERE r.token_id = t.id)",
            [person, person],
        )
        return [row[0] for row in cursor.fetchall()]


def visible_incidents(user: User) -> QuerySet[Incident]:
    """Incidents of visible proposals; those without a proposal are for approvers and leads."""
    found = roles(user)
    if found & {AUDITOR, LEAD}:
        return Incident.objects.all()
    rule = Q(Exists(visible_proposals(user).filter(incident=OuterRef("pk"))))
    if found & set(ROLES):
        rule |= Q(~Exists(Proposal.objects.filter(incident=OuterRef("pk"))))
    return Incident.objects.filter(rule) if found else Incident.objects.none()


def may_reveal(user: User, proposal: Proposal) -> bool:
    """Who may look at secrets in evidence: the security role, with the right to review every
    service that uses what the incident is about. No lead, auditor or superuser as such."""
    if not user.is_active or newest(proposal) is None or not may_view(user, proposal):
        return False
    # Of every proposal of the incident: evidence is the incident's, and a proposal on something
    # small beside it must not open what a graver one rests on.
    assessed = AssessmentService.objects.filter(
        assessment__proposal__incident=proposal.incident_id, depth=1
    ).values_list("service_id", flat=True)
    held = approver_roles(user.person)
    needed = {*assessed, *_users_of(proposal.incident)}
    return SECURITY in held and needed <= service_ids(user.person, "review_service")


def _users_of(incident: Incident) -> set[int]:
    """The services that use what the incident and its proposals name, as the inventory says now: a
    proposal may have ended before anybody assessed it."""
    planned = ProposalTarget.objects.filter(proposal__incident=incident).values("locator")
    newest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    edges = Dependency.objects.filter(
        Q(identity__locator=incident.locator) | Q(identity__locator__in=planned)
    ).annotate(present=Subquery(newest.values("present")[:1]))
    return set(edges.filter(present=True).values_list("source_id", flat=True))


def visible_incident_entries(rights: Rights) -> QuerySet[IncidentEntry]:
    """The places of what `visible_incidents` lets the person see (a test compares the two)."""
    seen = seen_services(rights)
    if seen is None:
        return IncidentEntry.objects.all()
    entries = IncidentEntry.objects
    return entries.filter(touched__overlap=seen) if seen else entries.none()


def may_audit(user: User) -> bool:
    return AUDITOR in roles(user)


def may_close_incidents(user: User, incident: Incident) -> bool:
    """An approver or lead who may see it. The owner of the reporting agent may not make its
    incident vanish."""
    if not roles(user) & {*ROLES, LEAD}:
        return False
    owned = Incident.objects.filter(pk=incident.pk, agent__versions__owner=user.person).exists()
    return not owned and visible_incidents(user).filter(pk=incident.pk).exists()
