"""Admin pages of the inventory: an edit adds a version through `services.inventory`."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.http import HttpRequest
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy, pgettext

from remediation import vocabulary
from remediation.admin import inventory_import, rights
from remediation.admin.base import PortalAdmin, Tool, actor_of, answer, table
from remediation.admin.inventory_forms import (
    CONSUMER_FACTS,
    IDENTITY_FACTS,
    SERVICE_FACTS,
    DependencyForm,
    IdentityForm,
    ServiceForm,
    describe_value,
)
from remediation.models import (
    Dependency,
    DependencyVersion,
    Identity,
    IdentityVersion,
    Service,
    ServiceVersion,
)
from remediation.services.inventory import facts as inventory
from remediation.services.people import accounts
from remediation.templatetags.portal import moment
from remediation.views.names import Names

SERVICE_SHOWN = ("uses", "used_by", "versions")
IDENTITY_SHOWN = ("used_by", "versions")
Versions = QuerySet[ServiceVersion] | QuerySet[IdentityVersion] | QuerySet[DependencyVersion]


def _newest(versions: Versions, link: str, *names: str) -> Subquery:
    """Return the newest version's facts as one JSON column."""
    columns = JSONObject(**{name: name for name in names})
    found = versions.filter(**{link: OuterRef("pk")}).order_by("-id")
    return Subquery(found.values(facts=columns)[:1])


def _history(versions: Versions, *names: str) -> SafeString:
    rows: list[Any] = list(versions.order_by("-id")[:100])
    who = Names.of_actors(row.author for row in rows)
    return table(
        (
            *(vocabulary.word(name) for name in names),
            pgettext("a person", "by"),
            pgettext("a time", "at"),
        ),
        (
            (
                *(describe_value(getattr(row, name)) for name in names),
                who.actor(row.author),
                moment(row.recorded_at),
            )
            for row in rows
        ),
    )


class _InventoryAdmin(PortalAdmin):
    editors = frozenset({accounts.INVENTORY_EDITOR})

    def fields_for(
        self,
        request: HttpRequest,
        obj: Model | None,
        key: tuple[str, ...],
        facts: tuple[str, ...],
        shown: tuple[str, ...],
    ) -> tuple[str, ...]:
        """Return key and versions for readers, the form's fields for editors."""
        if obj is None:
            return (*key, *facts)
        changed = (*facts, "based_on") if self.has_change_permission(request, obj) else ()
        return (*key, *changed, *shown)

    @admin.display(description=gettext_lazy("Owner team"))
    def owner_team(self, obj: Any) -> str:
        return str((obj.newest_facts or {}).get("owner_team") or "—")

    @admin.display(description=gettext_lazy("Environment"))
    def environment(self, obj: Any) -> str:
        return vocabulary.word((obj.newest_facts or {}).get("environment", "unknown"))

    @admin.display(description=gettext_lazy("Retired"))
    def is_retired(self, obj: Any) -> str:
        return answer(obj, "retired")


@admin.register(Service)
class ServiceAdmin(_InventoryAdmin):
    form = ServiceForm
    list_display = (
        "name", "owner_team", "environment", "criticality", "payment_path", "external_partner",
        "is_retired",
    )  # fmt: skip
    search_fields = ("name",)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Service]:
        newest = _newest(ServiceVersion.objects.all(), "service", *SERVICE_FACTS)
        return Service.objects.annotate(newest_facts=newest)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields_for(request, obj, ("name",), SERVICE_FACTS, SERVICE_SHOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else ("name", *SERVICE_SHOWN)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            inventory.change_service(
                actor=actor_of(request),
                service_id=obj.pk,
                facts=form.facts(),
                based_on=form.cleaned_data["based_on"],
            )
            return
        made = inventory.add_service(
            actor=actor_of(request), name=form.cleaned_data["name"], facts=form.facts()
        )
        obj.pk = made.pk

    def list_tools(self, request: HttpRequest) -> list[Tool]:
        may = self.has_add_permission(request)
        return [(gettext("Import"), reverse("admin:remediation_service_import"))] if may else []

    def tools(self, request: HttpRequest, obj: Model) -> list[Tool]:
        return [(gettext("Rights"), reverse("admin:remediation_service_rights", args=[obj.pk]))]

    def get_urls(self) -> list[URLPattern]:
        view = self.page(rights.view_for(self))
        imports = self.page(inventory_import.view_for(self))
        return [
            path("import/", imports, name="remediation_service_import"),
            path("<int:service_id>/rights/", view, name="remediation_service_rights"),
            *super().get_urls(),
        ]

    @admin.display(description=gettext_lazy("Criticality"))
    def criticality(self, obj: Any) -> str:
        return vocabulary.word((obj.newest_facts or {}).get("criticality", "unknown"))

    @admin.display(description=gettext_lazy("Payment path"))
    def payment_path(self, obj: Any) -> str:
        return answer(obj, "payment_path")

    @admin.display(description=gettext_lazy("External partner"))
    def external_partner(self, obj: Any) -> str:
        return answer(obj, "external_partner")

    @admin.display(description=gettext_lazy("Versions"))
    def versions(self, obj: Service) -> SafeString:
        return _history(obj.versions.all(), *SERVICE_FACTS)

    @admin.display(description=gettext_lazy("Cannot work without"))
    def uses(self, obj: Service) -> str:
        return _edges(Dependency.objects.filter(source=obj), "needed")

    @admin.display(description=gettext_lazy("Needed by"))
    def used_by(self, obj: Service) -> str:
        return _edges(Dependency.objects.filter(service=obj), "source")


@admin.register(Identity)
class IdentityAdmin(_InventoryAdmin):
    form = IdentityForm
    list_display = ("locator", "kind", "owner_team", "environment", "is_retired")
    search_fields = ("locator",)
    ordering = ("locator",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Identity]:
        newest = _newest(IdentityVersion.objects.all(), "identity", *IDENTITY_FACTS)
        return Identity.objects.annotate(newest_facts=newest)

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return self.fields_for(request, obj, ("kind", "locator"), IDENTITY_FACTS, IDENTITY_SHOWN)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else ("kind", "locator", *IDENTITY_SHOWN)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        if change:
            inventory.change_identity(
                actor=actor_of(request),
                identity_id=obj.pk,
                facts=form.facts(),
                based_on=form.cleaned_data["based_on"],
            )
            return
        made = inventory.add_identity(
            actor=actor_of(request),
            kind=form.cleaned_data["kind"],
            locator=form.cleaned_data["locator"],
            facts=form.facts(),
        )
        obj.pk = made.pk

    @admin.display(description=gettext_lazy("Versions"))
    def versions(self, obj: Identity) -> SafeString:
        return _history(obj.versions.all(), *IDENTITY_FACTS)

    @admin.display(description=gettext_lazy("Used by"))
    def used_by(self, obj: Identity) -> str:
        return _edges(Dependency.objects.filter(identity=obj), "source")


@admin.register(Dependency)
class DependencyAdmin(_InventoryAdmin):
    form = DependencyForm
    list_display = ("source", "needed", "is_present", "seen_as", "period", "takes_by")
    list_select_related = ("source", "service", "identity")
    search_fields = ("source__name", "service__name", "identity__locator")
    raw_id_fields = ("source", "service", "identity")
    ordering = ("source__name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dependency]:
        return _with_presence(Dependency.objects.all())

    def get_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        if obj is None:
            return ("source", "service", "identity", *CONSUMER_FACTS)
        uses = CONSUMER_FACTS if isinstance(obj, Dependency) and obj.identity_id else ()
        changed = ("present", *uses) if self.has_change_permission(request, obj) else ()
        return ("source", "needed", *changed, "versions")

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> Any:
        return () if obj is None else ("source", "needed", "versions")

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        made = inventory.set_dependency(
            actor=actor_of(request),
            source_id=obj.source_id,
            needs=obj.service or obj.identity,
            present=form.cleaned_data.get("present", True),
            consumer=form.consumer(),
        )
        obj.pk = made.pk

    @admin.display(description=gettext_lazy("Needs"))
    def needed(self, obj: Dependency) -> str:
        return str(obj.service or obj.identity)

    @admin.display(description=gettext_lazy("Present"))
    def is_present(self, obj: Any) -> str:
        return answer(obj, "present")

    @admin.display(description=gettext_lazy("Seen as"))
    def seen_as(self, obj: Any) -> str:
        return str(_fact(obj, "seen_as") or "—")

    @admin.display(description=gettext_lazy("Longest time between two uses"))
    def period(self, obj: Any) -> str:
        return str(describe_value(_fact(obj, "period_s")))

    @admin.display(description=gettext_lazy("Takes a new value by"))
    def takes_by(self, obj: Any) -> str:
        return vocabulary.word(_fact(obj, "takes_by") or "—")

    @admin.display(description=gettext_lazy("Versions"))
    def versions(self, obj: Dependency) -> SafeString:
        uses = ("seen_as", "period_s", "takes_by") if obj.identity_id else ()
        return _history(obj.versions.all(), "present", "by_reviewer", *uses)


def _fact(edge: Any, name: str) -> Any:
    return (edge.newest_facts or {}).get(name)


def _with_presence(edges: QuerySet[Dependency]) -> QuerySet[Dependency]:
    return edges.annotate(
        newest_facts=_newest(
            DependencyVersion.objects.all(),
            "dependency",
            *("present", "seen_as", "period_s", "takes_by"),
        )
    )


def _edges(edges: QuerySet[Dependency], end: str) -> str:
    """List the other ends of the edges that are present now."""
    found = _with_presence(edges.select_related("source", "service", "identity"))
    names = [
        str(edge.source if end == "source" else edge.service or edge.identity)
        for edge in found
        if (getattr(edge, "newest_facts", None) or {}).get("present")
    ]
    return ", ".join(sorted(names)) or pgettext("an empty table", "none")
