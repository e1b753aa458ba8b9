"""Offer targets for a plan: the incident's identity first, then its siblings in the inventory.

Siblings are other keys of the same holder, and identities of the services that use the identity.
A person is offered only what touches a service on which that person holds a right.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import OuterRef, Q, Subquery

from remediation.domain.catalogue import ACTIONS, TARGETS, ActionSpec
from remediation.domain.errors import BadInput
from remediation.domain.plan import Target, target_at
from remediation.models import (
    Dependency,
    DependencyVersion,
    Identity,
    IdentityVersion,
    Incident,
    User,
)
from remediation.services.access import authorize

# A person reads these; a longer list helps nobody.
MOST = 20


@dataclass(frozen=True)
class Offered:
    """A target with the actions on it. `name` and `environment` are the inventory's, or empty."""

    target: Target
    actions: tuple[ActionSpec, ...]
    own: bool  # the incident's identity
    name: str = ""
    environment: str = ""


def offered(user: User, incident: Incident) -> tuple[Offered, ...]:
    """Return the targets to offer; those on which no action works are left out."""
    known = _known([incident.locator, *_siblings(user, incident)])
    locators = dict.fromkeys([incident.locator, *known])
    found = []
    for locator in locators:
        target = _target(locator)
        actions = actions_on(target.kind) if target else ()
        if target is not None and actions:
            name, environment = known.get(locator, ("", ""))
            own = locator == incident.locator
            found.append(Offered(target, actions, own, name, environment))
    return tuple(found)


def actions_on(kind: str) -> tuple[ActionSpec, ...]:
    """Return the actions on this kind of target; what takes access away comes first."""
    found = [spec for spec in ACTIONS.values() if spec.target_kind == kind]
    return tuple(sorted(found, key=lambda spec: (not spec.removes_access, spec.kind)))


def _target(locator: str) -> Target | None:
    try:
        return target_at(locator, allow_test=settings.ALLOW_TEST_ACTIONS)
    except BadInput:
        return None


def _siblings(user: User, incident: Incident) -> list[str]:
    rule = Q(pk__in=_of_the_same_services(user, incident))
    spec = TARGETS.get(incident.locator.partition(":")[0])
    if spec is not None and spec.holder:
        rule |= Q(locator__startswith=incident.locator.rpartition("/")[0] + "/")
    rows = Identity.objects.filter(rule).exclude(locator=incident.locator)
    return list(rows.order_by("locator").values_list("locator", flat=True)[:MOST])


def _of_the_same_services(user: User, incident: Incident) -> list[int]:
    services = {source for source, _ in _edges(Q(identity__locator=incident.locator))}
    if not authorize.roles(user) & {authorize.LEAD, authorize.AUDITOR}:
        services &= authorize.service_ids(user.person, "view_service", "review_service")
    used = _edges(Q(source_id__in=services, identity__isnull=False))
    return [identity for _, identity in used if identity is not None]


def _edges(rule: Q) -> list[tuple[int, int | None]]:
    """Return the present edges of this rule: service and identity."""
    latest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    found = Dependency.objects.annotate(present=Subquery(latest.values("present")[:1]))
    return list(found.filter(rule, present=True).values_list("source_id", "identity_id"))


def _known(locators: list[str]) -> dict[str, tuple[str, str]]:
    """Return name and environment by locator, of identities that are not retired."""
    newest = (
        IdentityVersion.objects.filter(identity__locator__in=locators)
        .order_by("identity", "-pk")
        .distinct("identity")
        .values_list("identity__locator", "name", "environment", "retired")
    )
    return {
        locator: (name, environment)
        for locator, name, environment, retired in sorted(newest)
        if not retired
    }
