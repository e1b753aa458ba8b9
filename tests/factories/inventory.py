"""Services, identities and dependencies of the inventory, with their versions."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import models

from remediation import models as m
from remediation.domain.events import Event
from tests.factories.logins import WEB, entry, joining, number, unguarded

# An inventory editor without another part in a test.
CLERK = f"person:{uuid4()}"


def service(name: str = "", *, author: str = CLERK, **said: Any) -> m.Service:
    """Make a service; by default in staging, of low criticality, on no payment path."""
    with joining(WEB):
        made = m.Service.objects.create(
            name=name or f"service{number()}",
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, "inventory:service"),
        )
        service_version(made, author=author, **said)
    return made


def service_version(service: m.Service, *, author: str = CLERK, **said: Any) -> m.ServiceVersion:
    usual = {
        "owner_team": "team",
        "environment": "staging",
        "criticality": "low",
        "payment_path": False,
        "external_partner": False,
    }
    with joining(WEB):
        return m.ServiceVersion.objects.create(
            service=service,
            author=author,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"service:{service.pk}"),
            **{**usual, **said},
        )


def identity(
    locator: str = "", *, kind: str = "test.target", author: str = CLERK, **said: Any
) -> m.Identity:
    with joining(WEB):
        made = m.Identity.objects.create(
            locator=locator or f"test.target:t{number()}",
            kind=kind,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, "inventory:identity"),
        )
        identity_version(made, author=author, **said)
    return made


def identity_version(
    identity: m.Identity, *, author: str = CLERK, **said: Any
) -> m.IdentityVersion:
    with joining(WEB):
        return m.IdentityVersion.objects.create(
            identity=identity,
            author=author,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"identity:{identity.pk}"),
            **{"owner_team": "team", "environment": "staging", **said},
        )


def settle_inventory(*objects: models.Model, days: float = 8) -> None:
    """Age what the inventory says about these objects (default: all) by that much: nobody
    loosened it in the last 7 days, and nothing is younger than 24 hours."""
    for model, field in (
        (m.ServiceVersion, "service"),
        (m.IdentityVersion, "identity"),
        (m.DependencyVersion, "dependency"),
    ):
        rows = model._default_manager.all()
        if objects:
            kind = model._meta.get_field(field).related_model
            rows = rows.filter(**{f"{field}__in": [o for o in objects if type(o) is kind]})
        with unguarded(model._meta.db_table):
            rows.update(recorded_at=models.F("recorded_at") - timedelta(days=days))


def dependency(
    source: m.Service, on: m.Service | m.Identity, *, author: str = CLERK, **use: Any
) -> m.Dependency:
    """Record that `source` depends on `on`; `use` says how, as in `models.DependencyVersion`."""
    end = {"service": on} if isinstance(on, m.Service) else {"identity": on}
    with joining(WEB):
        made = m.Dependency.objects.create(
            source=source,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"service:{source.pk}"),
            **end,
        )
        dependency_version(made, present=True, author=author, **use)
    return made


def dependency_version(
    dependency: m.Dependency, *, present: bool, author: str = CLERK, **use: Any
) -> m.DependencyVersion:
    with joining(WEB):
        return m.DependencyVersion.objects.create(
            dependency=dependency,
            present=present,
            author=author,
            entry=entry(Event.PERSON_INVENTORY_CHANGED, author, f"dependency:{dependency.pk}"),
            **use,
        )
