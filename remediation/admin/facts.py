"""Show all facts to auditors: read-only, with the auditor's login; each access is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db import models, transaction
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy

from audit import log
from remediation import models as m
from remediation.admin.base import PortalAdmin, actor_of
from remediation.domain.events import Event
from remediation.services.access import authorize
from remediation.templatetags.inert import inert
from remediation.templatetags.portal import moment

# The auditors' login; without it these pages and those of the audit log are closed.
ALIAS = "auditor"


class FactAdmin(PortalAdmin):
    """Pages for people who may read everything. Adding and changing are not possible."""

    viewers = frozenset({authorize.AUDITOR})
    columns: tuple[str, ...] = ()

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return ALIAS in settings.DATABASES and super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        rows: models.QuerySet[Any] = self.model._default_manager.using(ALIAS).all()
        return rows

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return [shown(field) for field in self.opts.concrete_fields]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return self.get_fields(request, obj)

    def get_list_display(self, request: HttpRequest) -> Any:
        return [line, *(shown(self.opts.get_field(name)) for name in self.columns)]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        self._record(request, "")
        return super().changelist_view(request, extra_context)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        self._record(request, object_id or "")
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _record(self, request: HttpRequest, object_id: str) -> None:
        """Record the access before the first row is read."""
        if not self.has_view_permission(request):
            return  # the caller records the refusal
        with transaction.atomic():
            log.append(
                action=Event.PERSON_AUDIT_READ,
                actor=actor_of(request).ref,
                object=f"table:{self.opts.model_name}",
                data={"row": object_id[:100], "query": request.GET.urlencode()[:500]},
            )


@admin.display(description=gettext_lazy("What"))
def line(obj: models.Model) -> SafeString:
    return format_html('<span class="whole" lang="">{}</span>', inert(obj))


def shown(field: Any) -> Callable[[Any], object]:
    """Return a column or read-only field: complete, escaped, with bytes decoded as text."""

    @admin.display(description=field.verbose_name, ordering=field.name)
    def column(obj: Any) -> object:
        value = getattr(obj, field.attname)
        if value is None:
            return "—"
        if isinstance(field, models.DateTimeField):
            return moment(value)
        if isinstance(field, models.BinaryField):
            value = _text(bytes(value))
        # As stored, not translated: an agent's text, the portal's English, a number.
        return format_html('<span class="whole" lang="">{}</span>', inert(value))

    column.__name__ = field.name
    return column


def _text(value: bytes) -> str:
    """Return bytes as text: canonical JSON as it is, keys and signatures as hex."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.hex()


READABLE: dict[type[models.Model], tuple[str, ...]] = {
    m.Incident: ("kind", "locator", "recorded_at"),
    m.IncidentReport: ("incident", "agent", "recorded_at"),
    m.IncidentTransition: ("incident", "outcome", "actor", "recorded_at"),
    m.IncidentLook: ("incident", "found", "step", "recorded_at"),
    m.IncidentLookRequest: ("incident", "person", "recorded_at"),
    m.IncidentNotice: ("incident", "kind", "recorded_at"),
    m.OutcomeQuestion: ("incident", "proposal", "person", "recorded_at"),
    m.OutcomeAnswer: ("incident", "proposal", "person", "recorded_at"),
    m.LiveRequest: ("incident", "locator", "person", "recorded_at"),
    m.LiveObservation: ("request", "found", "recorded_at"),
    m.SecretCheck: ("request", "in_force", "recorded_at"),
    m.Evidence: ("incident", "source", "size", "recorded_at"),
    m.EvidenceScan: ("evidence", "detector", "recorded_at"),
    m.EvidenceErasure: ("sha256", "recorded_at"),
    m.Diagnosis: ("incident", "digest", "recorded_at"),
    m.Proposal: ("state", "round", "incident", "recorded_at"),
    m.Transition: ("proposal", "round", "actor", "reason", "recorded_at"),
    m.ObservationRequest: ("proposal", "round", "person", "recorded_at"),
    m.Assessment: ("proposal", "round", "risk", "decide_by", "recorded_at"),
    m.Review: ("proposal", "round", "person", "slot", "decision", "recorded_at"),
    m.Execution: ("proposal", "holder", "recorded_at"),
    m.StepRecord: ("execution", "step", "phase", "recorded_at"),
    m.Halt: ("proposal", "person", "reason", "recorded_at"),
    m.HaltVerdict: ("halt", "refusal", "detail", "recorded_at"),
    m.Refusal: ("proposal", "detail", "actor", "recorded_at"),
    m.Notice: ("proposal", "round", "kind", "recorded_at"),
    m.Telling: ("person", "proposal", "incident", "recorded_at"),
    m.Delivery: ("telling", "attempt", "detail", "recorded_at"),
    m.NoticeChannel: ("service", "detail", "recorded_at"),
    m.Freeze: ("reason", "actor", "recorded_at"),
    m.PasskeyEnrolment: ("person", "recorded_at"),
    m.OutboxMessage: ("proposal", "kind", "round", "recorded_at"),
    m.Lease: ("token", "holder", "until"),
}

for model, names in READABLE.items():
    admin.site.register(
        model,
        type(f"{model.__name__}Admin", (FactAdmin,), {"__module__": __name__, "columns": names}),
    )
