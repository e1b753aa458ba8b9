"""What stands beside an incident: clock, who has it, owners to reach, related incidents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db import connection
from django.db.models import OuterRef, Q, Subquery

from remediation import vocabulary
from remediation.domain import siblings
from remediation.domain.plan_due import REASONS
from remediation.domain.scope import ScopeService
from remediation.domain.states import IncidentState
from remediation.models import Dependency, DependencyVersion, Incident, IncidentEntry, User
from remediation.services.access import slots, visibility
from remediation.services.clock import database_now
from remediation.services.reporting import needs_plan
from remediation.services.reporting.assign import assignees
from remediation.services.reporting.viewers import candidates, named
from remediation.views.incidents.page import Aside, Owner, Related
from remediation.views.names import Names

# Incidents and teams that are listed; more would hide the rest of the page.
MOST = 8
_NEIGHBOURS = 200


def aside(
    person: User,
    incident: Incident,
    state: str,
    services: Iterable[ScopeService],
    due: datetime | None,
) -> Aside:
    """Return it for this person; ``due`` is by when one of its proposals must be decided."""
    now = database_now()
    contained = incident.transitions.filter(to_state=IncidentState.CONTAINED).order_by("pk").first()
    ended = incident.transitions.filter(to_state=IncidentState.CLOSED).first()
    until = contained or ended
    need = needs_plan.of([incident.pk]).get(incident.pk)
    has = assignees([incident.pk]).get(incident.pk)
    can = candidates(incident.pk)
    return Aside(
        detected_at=incident.detected_at,
        contained_at=contained.recorded_at if contained else None,
        span=((until.recorded_at if until else now) - incident.detected_at).total_seconds(),
        plan_due=need.due if need else None,
        plan_why=vocabulary.saying(REASONS[need.why]) if need else "",
        plan_late=need is not None and need.due <= now,
        had_plans=need is not None and not need.first,
        decide_by=due,
        assignee=Names([has]).person(has) if has else "",
        assignee_id=str(has or ""),
        mine=has == person.person,
        may_assign=state != IncidentState.CLOSED and person.person in can,
        people=named(can - {person.person} - ({has} if has else set())),
        owners=owners(services),
        related=related(person, incident),
    )


def owners(services: Iterable[ScopeService]) -> tuple[Owner, ...]:
    """Return the owner teams of the services that use the identity, with people who answer for
    them: the service owners who may review there."""
    teams: dict[str, list[ScopeService]] = defaultdict(list)
    for service in services:
        if service.depth == 1:
            teams[service.owner_team].append(service)
    people = _people([service.id for team in teams.values() for service in team])
    return tuple(
        Owner(
            team=team,
            services=tuple(service.name for service in found[:MOST]),
            more=max(0, len(found) - MOST),
            people=tuple(sorted({name for service in found for name in people[service.id]}))[:MOST],
        )
        for team, found in sorted(teams.items())[:MOST]
    )


def _people(services: list[int]) -> dict[int, set[str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT r.service_id, r.person FROM remediation.service_right r"
            " JOIN remediation.entitlement e USING (person)"
            " WHERE r.service_id = ANY(%s) AND r.codename = 'review_service'"
            " AND e.active AND e.role = 'service_owner'",
            [services],
        )
        found = cursor.fetchall()
    names = Names([person for _, person in found])
    people: dict[int, set[str]] = defaultdict(set)
    for service, person in found:
        people[service].add(names.person(person))
    return people


def related(person: User, incident: Incident) -> tuple[Related, ...]:
    """Return incidents of the same identity, of its siblings, and of what the same services use.

    Only those that this person may see, the newest first.
    """
    names = [incident.locator, siblings.holder(incident.locator), *_neighbours(incident.locator)]
    near = Q(incident__locator__in=names)
    for prefix in siblings.prefixes(incident.locator):
        near |= Q(incident__locator__startswith=prefix)
    seen = visibility.visible_incident_entries(slots.rights_of(person))
    found = seen.filter(near).exclude(pk=incident.pk).select_related("incident")
    return tuple(_related(one, incident) for one in found.order_by("-detected_at", "pk")[:MOST])


def _related(entry: IncidentEntry, incident: Incident) -> Related:
    return Related(
        incident_id=entry.pk,
        title_untrusted=entry.incident.title,
        locator_untrusted=entry.incident.locator,
        state=entry.state,
        detected_at=entry.detected_at,
        same=entry.incident.locator == incident.locator,
    )


def _neighbours(locator: str) -> list[str]:
    """Return the identities that a service which uses this identity uses too, by the inventory."""
    newest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    present = Dependency.objects.annotate(present=Subquery(newest.values("present")[:1])).filter(
        present=True
    )
    users = list(
        present.filter(identity__locator=locator).values_list("source_id", flat=True)[:_NEIGHBOURS]
    )
    found: set[UUID | str] = set(
        present.filter(source__in=users, identity__isnull=False)
        .values_list("identity__locator", flat=True)
        .distinct()[:_NEIGHBOURS]
    )
    return sorted(str(one) for one in found)
