"""The base of the admin's pages whose changes a passkey signs, once each (docs/attacks.md A76)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse

from remediation.admin.base import PortalAdmin
from remediation.domain.act import Act
from remediation.domain.errors import Refused
from remediation.views import step_up
from remediation.views.refusals import problem


class SignedAdmin(PortalAdmin):
    """A page whose script asks first what is signed; `save_model` passes the proof to a service."""

    @abstractmethod
    def act_of(self, obj: Any, form: Any) -> tuple[Act, str]:
        """Return the act that a valid form asks for, and its words; `obj` is None for a new one."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        if request.method != "POST" or not step_up.asked(request):
            return super().changeform_view(request, object_id, form_url, extra_context)
        try:
            return self.on_record(self._begin)(request, object_id)
        except Refused as refusal:
            return problem(refusal)

    def _begin(self, request: HttpRequest, object_id: str | None) -> HttpResponse:
        obj = None if object_id is None else self.get_object(request, unquote(object_id))
        if object_id is not None and obj is None:
            raise Http404
        may = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)
        if not may:
            raise PermissionDenied
        form = self.get_form(request, obj, change=bool(obj))(request.POST, instance=obj)
        if not form.is_valid():
            step_up.refuse_invalid(request)
        return step_up.begin(request, *self.act_of(obj, form))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # The script submits the form without its button, so one button is enough.
        context.update(
            signed=True, show_save_and_continue=False, show_save_and_add_another=False
        )  # fmt: skip
        return super().render_change_form(request, context, *args, **kwargs)
