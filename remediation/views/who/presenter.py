"""From rows to page data: who can do what."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext, ngettext

from remediation import vocabulary
from remediation.domain.slots import LEAD, ROLES, Owner
from remediation.models import Proposal, Service, User
from remediation.services.access import authorize, deciders, who
from remediation.services.access.asked import owners_in
from remediation.services.people import accounts, object_rights
from remediation.views.cards.slots import services_of, title_of
from remediation.views.who.page import (
    DeciderRow,
    GivenRow,
    Hit,
    IndexPage,
    PersonPage,
    ProposalPage,
    ServiceLink,
    ServicePage,
    SlotRow,
)

# A reader scans these; the counts say how many there are.
MOST = 100


def index_page(viewer: User, query: str) -> IndexPage:
    """Return people and services whose names contain the text, of those the viewer may see."""
    query = query.strip()[:100]
    overseer = bool(authorize.roles(viewer) & who.OVERSEERS)
    people = User.objects.filter(
        Q(username__icontains=query)
        | Q(first_name__icontains=query)
        | Q(last_name__icontains=query)
    ).order_by("username")
    services = Service.objects.filter(name__icontains=query).order_by("name")
    if not overseer:
        people = people.filter(pk=viewer.pk)
        mine = authorize.service_ids(viewer.person, "view_service", "review_service")
        services = services.filter(pk__in=mine)
    return IndexPage(
        query=query,
        people=tuple(
            Hit(u.username, reverse("who_person", args=[u.person]), u.get_full_name())
            for u in people[:MOST]
        ),
        services=tuple(
            Hit(s.name, reverse("who_service", args=[s.pk]), "") for s in services[:MOST]
        ),
        searched=bool(query),
    )


def person_page(viewer: User, about: User) -> PersonPage:
    """Return what a person may see, decide and halt, and why."""
    held = authorize.roles(about)
    sees = authorize.service_ids(about.person, *object_rights.RIGHTS) if held else frozenset()
    approves = bool(held & set(ROLES))
    decides = authorize.service_ids(about.person, "review_service") if approves else frozenset()
    administers = accounts.USER_ADMIN in authorize.roles(viewer)
    return PersonPage(
        name=about.username,
        full_name=about.get_full_name(),
        person=about.person,
        active=about.is_active,
        roles=tuple(vocabulary.word(role) for role in sorted(held)),
        can=tuple(_can(held, len(decides), len(sees))),
        cannot=tuple(_cannot(about, held, len(decides))),
        given=tuple(
            GivenRow(r.right, r.place.kind, r.place.name, r.group)
            for r in object_rights.rights_held_by(about)
        ),
        decides=_links(decides),
        decides_count=len(decides),
        sees=_links(sees - decides),
        sees_count=len(sees - decides),
        rights_url=reverse("admin:remediation_user_rights", args=[about.pk]) if administers else "",
    )


def _can(held: frozenset[str], decides: int, sees: int) -> list[str]:
    found = []
    if held & {LEAD, authorize.AUDITOR}:
        found.append(gettext("see every proposal and incident"))
    elif sees:
        found.append(
            ngettext(
                "see proposals that touch %(count)d service",
                "see proposals that touch one of %(count)d services",
                sees,
            )
            % {"count": sees}
        )
    if held & set(ROLES):
        found.append(gettext("see proposals that touch no known service"))
        found.append(gettext("decide where no service is known to use the target"))
    if decides:
        found.append(
            ngettext(
                "decide on proposals that affect %(count)d service",
                "decide on proposals that affect one of %(count)d services",
                decides,
            )
            % {"count": decides}
        )
        found.append(gettext("halt runs of these proposals"))
    if LEAD in held:
        found.append(gettext("halt every run, and decide where a lead is asked"))
    return found


def _cannot(about: User, held: frozenset[str], decides: int) -> list[str]:
    if not about.is_active:
        return [gettext("anything: the account is not active")]
    found = []
    if not held & {*ROLES, LEAD}:
        found.append(
            gettext("decide or halt: holds none of the roles security, service owner, lead")
        )
    elif held & set(ROLES) and not decides:
        found.append(gettext("decide where services are affected: has no right to review any"))
    if held & accounts.ADMINISTERING:
        found.append(gettext("approve: who administers people or agents holds no approver role"))
    return found


def _links(ids: Iterable[int]) -> tuple[ServiceLink, ...]:
    return tuple(ServiceLink(*row) for row in who.names_of(ids, MOST))


def service_page(viewer: User, service: Service) -> ServicePage:
    """Return who may see, decide and halt what affects a service."""
    newest = service.versions.order_by("-pk").first()
    holders = who.holders_of(service)
    administers = accounts.USER_ADMIN in authorize.roles(viewer)
    return ServicePage(
        name=service.name,
        owner_team=newest.owner_team if newest else "",
        environment=newest.environment if newest else "",
        holders=holders,
        leads=who.leads(),
        lacking=tuple(vocabulary.word(role) for role in who.lacking(holders)),
        rights_url=reverse("admin:remediation_service_rights", args=[service.pk])
        if administers
        else "",
    )


def proposal_page(proposal: Proposal) -> ProposalPage:
    """Return who has decided, who still can, and who cannot and why."""
    assessment = authorize.newest(proposal)
    owners = owners_in(assessment) if assessment else ()
    found = deciders.deciders(proposal)
    missing = deciders.missing(proposal) if proposal.state == "in_review" else ()
    rows = [
        DeciderRow(
            one.name,
            tuple(title_of(slot, owners) for slot in one.slots),
            one.decided,
            tuple(vocabulary.saying(why) for why in one.why_not),
        )
        for one in found
    ]
    return ProposalPage(
        proposal_id=proposal.pk,
        title_untrusted=proposal.incident.title,
        state=proposal.state,
        assessed=assessment is not None,
        slots=_slots(tuple(assessment.slots) if assessment else (), owners, found, missing),
        missing=tuple(title_of(slot, owners) for slot in missing),
        can=tuple(row for row in rows if not row.decided and not row.why_not),
        decided=tuple(row for row in rows if row.decided),
        cannot=tuple(row for row in rows if row.why_not),
        leads=who.leads(),
    )


def _slots(
    slots: tuple[str, ...],
    owners: tuple[Owner, ...],
    found: tuple[deciders.Decider, ...],
    missing: tuple[str, ...],
) -> tuple[SlotRow, ...]:
    approvals = [(slot, one.name) for one in found if one.decided for slot in one.slots]
    empty = list(missing)
    rows = []
    for slot in slots:
        by = next((pair for pair in approvals if pair[0] == slot), None)
        if by is not None:
            approvals.remove(by)
        nobody = by is None and slot in empty
        if nobody:
            empty.remove(slot)
        rows.append(
            SlotRow(
                title_of(slot, owners),
                services_of(slot, owners),
                by[1] if by else "",
                nobody,
            )
        )
    return tuple(rows)
