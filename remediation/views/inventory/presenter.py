"""Build the data of the inventory's pages: the newest version of each service and identity."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy

from remediation.domain.states import IncidentState
from remediation.models import (
    Dependency,
    DependencyVersion,
    Identity,
    IdentityVersion,
    IncidentEntry,
    Service,
    ServiceVersion,
    User,
)
from remediation.services.access import authorize
from remediation.services.clock import database_now
from remediation.services.people import accounts
from remediation.views.inventory.page import IdentityRow, InventoryPage, Limit, ServiceRow

PART = 100
LONGEST = 200
# Nobody confirmed a row for a year: what it says may be out of date.
STALE = timedelta(days=365)

TITLES = {
    "unowned": gettext_lazy("No owner team"),
    "production": gettext_lazy("Production"),
    "critical": gettext_lazy("Critical"),
    "payment": gettext_lazy("Payment path"),
    "partner": gettext_lazy("External partner"),
    "unused": gettext_lazy("Nobody known uses it"),
    "incident": gettext_lazy("With an open incident"),
    "stale": gettext_lazy("Not changed for a year"),
    "retired": gettext_lazy("Retired"),
}


def services_page(viewer: User, query: Mapping[str, str]) -> InventoryPage:
    """Return a part of the services, limited by the filters of the address."""
    newest = ServiceVersion.objects.filter(service=OuterRef("pk")).order_by("-id")
    everything = Service.objects.annotate(
        owner_team=_value(newest, "owner_team"),
        environment=_value(newest, "environment"),
        criticality=_value(newest, "criticality"),
        payment_path=_value(newest, "payment_path"),
        external_partner=_value(newest, "external_partner"),
        retired=_value(newest, "retired"),
        changed_at=_value(newest, "recorded_at"),
    )
    rules = {
        "unowned": Q(owner_team=""),
        "production": Q(environment="production"),
        "critical": Q(criticality="critical"),
        "payment": Q(payment_path=True),
        "partner": Q(external_partner=True),
        "stale": Q(changed_at__lt=database_now() - STALE),
        "retired": Q(retired=True),
    }
    page, part = _page(viewer, query, everything, rules, "name")
    edges = _edges(Q(source__in=part) | Q(service__in=part))
    return replace(
        page,
        services=tuple(
            ServiceRow(
                service_id=row.pk,
                name=row.name,
                owner_team=row.owner_team or "",
                environment=row.environment or "",
                criticality=row.criticality or "",
                payment_path=bool(row.payment_path),
                external_partner=bool(row.external_partner),
                retired=bool(row.retired),
                uses=sum(edge[0] == row.pk for edge in edges),
                used_by=sum(edge[1] == row.pk for edge in edges),
                changed_at=row.changed_at,
            )
            for row in part
        ),
    )


def identities_page(viewer: User, query: Mapping[str, str]) -> InventoryPage:
    """Return a part of the identities, limited by the filters of the address."""
    newest = IdentityVersion.objects.filter(identity=OuterRef("pk")).order_by("-id")
    present = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    used = (
        Dependency.objects.filter(identity=OuterRef("pk"))
        .annotate(present=Subquery(present.values("present")[:1]))
        .filter(present=True)
    )
    alive = IncidentEntry.objects.filter(incident__locator=OuterRef("locator")).exclude(
        state=IncidentState.CLOSED
    )
    everything = Identity.objects.annotate(
        owner_team=_value(newest, "owner_team"),
        environment=_value(newest, "environment"),
        retired=_value(newest, "retired"),
        changed_at=_value(newest, "recorded_at"),
    )
    rules = {
        "unowned": Q(owner_team=""),
        "production": Q(environment="production"),
        "unused": ~Exists(used),
        "incident": Exists(alive),
        "stale": Q(changed_at__lt=database_now() - STALE),
        "retired": Q(retired=True),
    }
    page, part = _page(viewer, query, everything, rules, "locator")
    edges = _edges(Q(identity__in=part))
    open_incidents = dict(
        IncidentEntry.objects.filter(incident__locator__in=[row.locator for row in part])
        .exclude(state=IncidentState.CLOSED)
        .order_by()
        .values_list("incident__locator")
        .annotate(Count("pk"))
    )
    return replace(
        page,
        identities=tuple(
            IdentityRow(
                identity_id=row.pk,
                locator=row.locator,
                kind=row.kind,
                owner_team=row.owner_team or "",
                environment=row.environment or "",
                retired=bool(row.retired),
                used_by=sum(edge[2] == row.pk for edge in edges),
                incidents=open_incidents.get(row.locator, 0),
                changed_at=row.changed_at,
            )
            for row in part
        ),
    )


def _value(newest: QuerySet[Any], name: str) -> Subquery:
    return Subquery(newest.values(name)[:1])


def _page(
    viewer: User,
    query: Mapping[str, str],
    everything: QuerySet[Any],
    rules: Mapping[str, Q | Any],
    key: str,
) -> tuple[InventoryPage, list[Any]]:
    q = query.get("q", "").replace("\0", "").strip()[:LONGEST]
    chosen = [name for name in rules if query.get(name) == "yes"]
    searched = everything.filter(
        Q(**{f"{key}__icontains": q}) | Q(owner_team__icontains=q) if q else Q()
    )
    found = searched
    for name in chosen:
        found = found.filter(rules[name])
    if "retired" not in chosen:
        found, searched = found.exclude(retired=True), searched.exclude(retired=True)
    number = max(1, int(query["page"])) if _is_number(query.get("page", "")) else 1
    part = list(found.order_by(key)[(number - 1) * PART : number * PART + 1])
    counts = _counts(everything, rules)
    given: dict[str, str] = {**({"q": q} if q else {}), **dict.fromkeys(chosen, "yes")}
    return (
        InventoryPage(
            services=(),
            identities=(),
            limits=tuple(
                Limit(name, str(TITLES[name]), counts[name], name in chosen, _switched(given, name))
                for name in rules
            ),
            total=counts["all"],
            found=found.count(),
            q=q,
            number=number,
            before=urlencode({**given, "page": str(number - 1)}) if number > 1 else "",
            after=urlencode({**given, "page": str(number + 1)}) if len(part) > PART else "",
            may_change=accounts.INVENTORY_EDITOR in authorize.roles(viewer),
            counts=counts,
        ),
        part[:PART],
    )


def _counts(everything: QuerySet[Any], rules: Mapping[str, Any]) -> dict[str, int]:
    """Count all rows, and those of each filter; retired ones only in their own filter."""
    living = everything.exclude(retired=True)
    counts = {
        name: (everything if name == "retired" else living).filter(rule).count()
        for name, rule in rules.items()
    }
    return {"all": living.count(), **counts}


def _switched(given: Mapping[str, str], name: str) -> str:
    others = {key: value for key, value in given.items() if key != name}
    return urlencode(others if name in given else {**given, name: "yes"})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 7


def _edges(which: Q) -> list[tuple[int, int | None, int | None]]:
    """Return the edges that are present now: source, service, identity."""
    latest = DependencyVersion.objects.filter(dependency=OuterRef("pk")).order_by("-id")
    found = Dependency.objects.filter(which).annotate(
        present=Subquery(latest.values("present")[:1])
    )
    return list(found.filter(present=True).values_list("source", "service", "identity"))
