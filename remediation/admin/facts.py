"""Show all facts to auditors: read-only, with the auditor's login; each access is recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.db import models, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_lazy

from audit import log
from remediation import models as m
from remediation import vocabulary
from remediation.admin.base import PortalAdmin, actor_of, roles_of
from remediation.admin.names import COLUMNS
from remediation.domain.events import Event
from remediation.domain.policy import ROLES
from remediation.services.access import authorize, visibility
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


class WordFilter(admin.AllValuesFieldListFilter):
    """Filters by the values of a column of the closed vocabulary, in the reader's words."""

    def __init__(self, field: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(field, *args, **kwargs)
        self.title = COLUMNS[field.name]

    def choices(self, changelist: Any) -> Iterator[Any]:
        first = True
        for choice in super().choices(changelist):
            # The first one is Django's "All".
            yield choice if first else {**choice, "display": vocabulary.word(choice["display"])}
            first = False


class SeenAdmin(FactAdmin):
    """What approvers and leads see, too: the rows that they may see on the other pages.

    Auditors read all rows with their own login, on record; others the visible ones with the web's.
    """

    viewers = frozenset({authorize.AUDITOR, authorize.LEAD, *ROLES})
    visible: Callable[[m.User], models.QuerySet[Any]]
    shown_on = ""  # the named page that shows the object, by the value of `page_of`

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        if authorize.AUDITOR in roles_of(request):
            return super().has_view_permission(request, obj)
        return bool(roles_of(request) & self.viewers)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        if authorize.AUDITOR in roles_of(request):
            return super().get_queryset(request)
        return type(self).visible(cast(m.User, request.user))

    def get_list_display(self, request: HttpRequest) -> Any:
        return [*super().get_list_display(request), self.opened]

    def get_fields(self, request: HttpRequest, obj: models.Model | None = None) -> Any:
        return [*super().get_fields(request, obj), self.opened]

    def page_of(self, obj: Any) -> object:
        """Return the id in the address of the page that shows the object."""
        return obj.pk

    @admin.display(description=gettext_lazy("Page"))
    def opened(self, obj: Any) -> SafeString:
        address = reverse(self.shown_on, args=[self.page_of(obj)])
        return format_html('<a href="{}">{}</a>', address, gettext("Open"))

    def _record(self, request: HttpRequest, object_id: str) -> None:
        """Record an auditor's reading; what others see here, they see on unrecorded pages."""
        if authorize.AUDITOR in roles_of(request):
            super()._record(request, object_id)


class IncidentAdmin(SeenAdmin):
    columns = ("kind", "locator", "recorded_at")
    list_filter = (("listed__state", WordFilter), "agent")
    search_fields = ("title", "locator")
    date_hierarchy = "recorded_at"
    visible = staticmethod(visibility.visible_incidents)
    shown_on = "incident"


class DiagnosisAdmin(SeenAdmin):
    columns = ("incident", "version", "editor", "recorded_at")
    list_filter = ("agent",)
    shown_on = "incident"

    @staticmethod
    def visible(user: m.User) -> models.QuerySet[m.Diagnosis]:
        return m.Diagnosis.objects.filter(incident__in=visibility.visible_incidents(user))

    def page_of(self, obj: m.Diagnosis) -> object:
        return obj.incident_id


class ProposalAdmin(SeenAdmin):
    columns = ("state", "round", "incident", "recorded_at")
    list_filter = (("state", WordFilter), "agent")
    search_fields = ("targets__locator", "incident__title")
    date_hierarchy = "recorded_at"
    visible = staticmethod(visibility.visible_proposals)
    shown_on = "review"


class _OfProposal(SeenAdmin):
    """Facts of a proposal, which are seen by whoever sees the proposal."""

    def page_of(self, obj: Any) -> object:
        return obj.proposal_id


class ReviewAdmin(_OfProposal):
    columns = ("proposal", "round", "person", "slot", "decision", "recorded_at")
    list_filter = (("decision", WordFilter),)
    date_hierarchy = "recorded_at"
    shown_on = "review"

    @staticmethod
    def visible(user: m.User) -> models.QuerySet[m.Review]:
        return m.Review.objects.filter(proposal__in=visibility.visible_proposals(user))


class ExecutionAdmin(_OfProposal):
    columns = ("proposal", "holder", "recorded_at")
    list_filter = (("proposal__state", WordFilter),)
    date_hierarchy = "recorded_at"
    shown_on = "execution"

    @staticmethod
    def visible(user: m.User) -> models.QuerySet[m.Execution]:
        return m.Execution.objects.filter(proposal__in=visibility.visible_proposals(user))


SEEN: dict[type[models.Model], type[SeenAdmin]] = {
    m.Incident: IncidentAdmin,
    m.Diagnosis: DiagnosisAdmin,
    m.Proposal: ProposalAdmin,
    m.Review: ReviewAdmin,
    m.Execution: ExecutionAdmin,
}

READABLE: dict[type[models.Model], tuple[str, ...]] = {
    m.IncidentReport: ("incident", "agent", "recorded_at"),
    m.IncidentTransition: ("incident", "outcome", "actor", "recorded_at"),
    m.IncidentLook: ("incident", "found", "step", "recorded_at"),
    m.IncidentLookRequest: ("incident", "person", "recorded_at"),
    m.IncidentAssignment: ("incident", "person", "actor", "recorded_at"),
    m.IncidentComment: ("incident", "person", "recorded_at"),
    m.IncidentNotice: ("incident", "kind", "recorded_at"),
    m.OutcomeQuestion: ("incident", "proposal", "person", "recorded_at"),
    m.OutcomeAnswer: ("incident", "proposal", "person", "recorded_at"),
    m.LiveRequest: ("incident", "locator", "person", "recorded_at"),
    m.LiveObservation: ("request", "found", "recorded_at"),
    m.SecretCheck: ("request", "in_force", "recorded_at"),
    m.Evidence: ("incident", "source", "size", "recorded_at"),
    m.EvidenceScan: ("evidence", "detector", "recorded_at"),
    m.EvidenceErasure: ("sha256", "recorded_at"),
    m.Choice: ("incident", "agent", "recorded_at"),
    m.Transition: ("proposal", "round", "actor", "reason", "recorded_at"),
    m.ObservationRequest: ("proposal", "round", "person", "recorded_at"),
    m.SeenAgain: ("proposal", "round", "recorded_at"),
    m.Assessment: ("proposal", "round", "risk", "decide_by", "recorded_at"),
    m.Narrowing: ("proposal", "narrows", "person", "slot", "recorded_at"),
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
    m.ApproverKey: ("person", "until", "recorded_at"),
    m.OutboxMessage: ("proposal", "kind", "round", "recorded_at"),
    m.Lease: ("token", "holder", "until"),
}

for model, names in READABLE.items():
    admin.site.register(
        model,
        type(f"{model.__name__}Admin", (FactAdmin,), {"__module__": __name__, "columns": names}),
    )
for model, page in SEEN.items():
    admin.site.register(model, page)
