"""Rights of one service and of one person: who may see and who may review which proposals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.translation import gettext, gettext_lazy, pgettext_lazy

from remediation.admin import signing
from remediation.admin.base import CHOOSE, View, actor_of, roles_of
from remediation.domain.errors import BadValue
from remediation.models import Service, User
from remediation.services.people import accounts, object_rights
from remediation.views import step_up

if TYPE_CHECKING:
    from remediation.admin.base import PortalAdmin

TITLES = signing.RIGHTS
GIVEN = {
    ("view_service", True): gettext_lazy(
        "%(holder)s may now see proposals that affect %(service)s."
    ),
    ("review_service", True): gettext_lazy(
        "%(holder)s may now review proposals that affect %(service)s."
    ),
    ("view_service", False): gettext_lazy(
        "%(holder)s may no longer see proposals that affect %(service)s."
    ),
    ("review_service", False): gettext_lazy(
        "%(holder)s may no longer review proposals that affect %(service)s."
    ),
}


class RightForm(forms.Form):
    """Give or take a right of one person or one group; nothing is preselected."""

    right = forms.ChoiceField(
        label=pgettext_lazy("on a service", "Right"), choices=[("", CHOOSE), *TITLES.items()]
    )
    username = forms.CharField(required=False, max_length=150, label=gettext_lazy("User name"))
    group = forms.ChoiceField(label=gettext_lazy("Group"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = {*accounts.BUILT_IN, *Group.objects.values_list("name", flat=True)}
        self.fields["group"] = forms.ChoiceField(
            label=gettext_lazy("Group"),
            required=False,
            choices=[
                ("", pgettext_lazy("no group", "None")),
                *((name, name) for name in sorted(known)),
            ],
        )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if bool(cleaned.get("username")) == bool(cleaned.get("group")):
            self.add_error(None, gettext("Name a person or a group, not both."))
        return cleaned


KIND_TITLES = {
    "service": gettext_lazy("a service"),
    "team": gettext_lazy("all services of an owner team"),
    "environment": gettext_lazy("all services of an environment"),
}


class PersonRightForm(forms.Form):
    """Give one right to this person; nothing is preselected."""

    right = forms.ChoiceField(
        label=pgettext_lazy("on a service", "Right"), choices=[("", CHOOSE), *TITLES.items()]
    )
    kind = forms.ChoiceField(
        label=pgettext_lazy("what a right is on", "On"),
        choices=[("", CHOOSE), *KIND_TITLES.items()],
    )
    name = forms.CharField(
        max_length=100,
        label=gettext_lazy("Name"),
        help_text=gettext_lazy(
            "The name of the service, team or environment, as in the inventory."
        ),
    )


def view_for_person(owner: PortalAdmin) -> View:
    """Return the view of a person's rights: personal ones can be taken, all are shown."""

    def page(request: HttpRequest, user_id: int) -> HttpResponse:
        about = User.objects.filter(pk=user_id).first()
        if not owner.has_view_permission(request):
            raise PermissionDenied
        if about is None:
            raise Http404
        may_change = accounts.USER_ADMIN in roles_of(request)
        form = PersonRightForm(request.POST if request.method == "POST" else None)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            if form.is_valid():
                return _change_person(request, about, form.cleaned_data)
            step_up.refuse_invalid(request)
        context = {
            **owner.admin_site.each_context(request),
            "title": gettext("Rights of %(person)s") % {"person": about.username},
            "opts": owner.opts,
            "about": about,
            "rows": [
                (TITLES[r.right], KIND_TITLES[r.place.kind], r)
                for r in object_rights.rights_held_by(about)
            ],
            "form": form,
            "may_change": may_change,
        }
        return render(request, "admin/portal_person_rights.html", context)

    return page


def _change_person(request: HttpRequest, about: User, asked: dict[str, Any]) -> HttpResponse:
    held = request.POST.get("take_away") != "yes"
    place, right = object_rights.Place(asked["kind"], asked["name"]), asked["right"]
    if step_up.asked(request):
        act = object_rights.setting(place, right, held=held, person=about.person)
        return step_up.begin(request, act, signing.describe_right(act, about.username))
    object_rights.set_right_on(
        actor=actor_of(request),
        place=place,
        right=right,
        held=held,
        person=about.person,
        proof=step_up.proof_of(request),
    )
    given = gettext("%(person)s has the right now.")
    taken = gettext("%(person)s does not have this right personally any more.")
    messages.success(request, (given if held else taken) % {"person": about.username})
    return HttpResponseRedirect(request.path)


def view_for(owner: PortalAdmin) -> View:
    """Return the view: a list for all who may see the service, a form for user administrators."""

    def page(request: HttpRequest, service_id: int) -> HttpResponse:
        service = Service.objects.filter(pk=service_id).first()
        if not owner.has_view_permission(request):
            raise PermissionDenied
        if service is None:
            raise Http404
        may_change = accounts.USER_ADMIN in roles_of(request)
        form = RightForm(request.POST if request.method == "POST" else None)
        if request.method == "POST":
            if not may_change:
                raise PermissionDenied
            if form.is_valid():
                return _change(request, service, form.cleaned_data)
            step_up.refuse_invalid(request)
        context = {
            **owner.admin_site.each_context(request),
            "title": gettext("Rights on %(service)s") % {"service": service.name},
            "opts": owner.opts,
            "service": service,
            "rows": [(TITLES[r.right], r) for r in object_rights.rights_on(service.pk)],
            "form": form,
            "may_change": may_change,
        }
        return render(request, "admin/portal_rights.html", context)

    return page


def _change(request: HttpRequest, service: Service, asked: dict[str, Any]) -> HttpResponse:
    person = None
    if asked["username"]:
        user = User.objects.filter(username=asked["username"]).first()
        if user is None:
            raise BadValue(f"no account has the user name {asked['username']}")
        person = user.person
    held = request.POST.get("take_away") != "yes"
    right, group = asked["right"], asked["group"]
    holder = asked["username"] or group
    if step_up.asked(request):
        place = object_rights.Place("service", service.name)
        act = object_rights.setting(place, right, held=held, person=person, group=group)
        named = gettext("the group %(name)s") % {"name": group} if group else holder
        return step_up.begin(request, act, signing.describe_right(act, named))
    object_rights.set_right(
        actor=actor_of(request),
        service_id=service.pk,
        right=right,
        held=held,
        person=person,
        group=group,
        proof=step_up.proof_of(request),
    )
    names = {"holder": holder, "service": service.name}
    messages.success(request, str(GIVEN[right, held]) % names)
    return HttpResponseRedirect(request.path)
