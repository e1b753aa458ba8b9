"""Define the admin site, and the frame around the content of every page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.contrib.auth.views import redirect_to_login
from django.db.models import Model
from django.db.models.base import ModelBase
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy, pgettext

from hitlportal.banners import Banner, banner_of
from remediation import vocabulary
from remediation.domain.slots import LEAD, ROLES
from remediation.models import Freeze, NoticeChannel, User
from remediation.services.access import authorize
from remediation.services.outbox.failing import failing_channels
from remediation.views.account import theme as own_theme
from remediation.views.help.views import VISITED

# The admin shows only models of these apps. Other apps register theirs on every site, among them
# allauth's passkeys with add, change and delete.
ADMIN_APPS = frozenset({"remediation", "audit", "auth"})


# Who sees on every page that a channel of notifications fails.
CARERS = frozenset({"lead", "user_admin"})


class PortalAdminSite(AdminSite):
    """Django's admin behind the portal's own sign-in; nothing about proposals is decided here."""

    site_title = "hitlportal"
    site_header = "hitlportal"
    index_title = gettext_lazy("Tables")
    enable_nav_sidebar = True

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        models = (
            [model_or_iterable]
            if isinstance(model_or_iterable, ModelBase)
            else list(model_or_iterable)
        )
        ours = [model for model in models if model._meta.app_label in ADMIN_APPS]
        if ours:
            super().register(ours, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """Also let approvers and leads in, to the read-only tables of what they may see."""
        user = request.user
        if not isinstance(user, User):
            return False
        return may_open_tables(user.is_active, user.is_staff, authorize.roles(user))

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Redirect to the portal's sign-in; a signed-in person who is not staff to the queue."""
        if request.user.is_authenticated and not self.has_permission(request):
            return HttpResponseRedirect(reverse("queue"))
        destination = request.GET.get("next") or reverse("admin:index")
        return redirect_to_login(destination, reverse("account_login"))

    def logout(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_logout"))

    def password_change(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        return HttpResponseRedirect(reverse("account_change_password"))


@dataclass(frozen=True)
class Item:
    title: str
    icon: str
    url: str
    current: bool


@dataclass(frozen=True)
class Chrome:
    """The frame of a page: navigation, the person's roles, and a freeze if there is one."""

    navigation: tuple[Item, ...]
    roles: tuple[str, ...]
    freeze: Freeze | None
    tables: bool  # whether the person may open the admin's tables
    first_visit: bool  # in this browser
    banner: Banner | None
    # Channels that do not deliver; shown to those who must care for it.
    failing: tuple[NoticeChannel, ...]


def chrome(request: HttpRequest) -> dict[str, Any]:
    """Add the theme and the frame to the context of a template; no frame for anonymous pages."""
    theme = own_theme.chosen(request)
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"theme": theme}
    roles = tuple(user.groups.order_by("name").values_list("name", flat=True))
    newest = Freeze.objects.order_by("-pk").first()
    return {
        "theme": theme,
        "chrome": Chrome(
            navigation=tuple(_navigation(request.path, roles)),
            roles=tuple(vocabulary.word(role) for role in roles),
            freeze=newest if newest and newest.frozen else None,
            tables=may_open_tables(user.is_active, user.is_staff, roles),
            banner=banner_of(user.get_username()),
            first_visit=VISITED not in request.COOKIES and _name(request) in LANDING,
            failing=failing_channels() if CARERS & set(roles) else (),
        ),
    }


def _name(request: HttpRequest) -> str:
    return (request.resolver_match.url_name or "") if request.resolver_match else ""


def may_open_tables(active: bool, staff: bool, roles: Iterable[str]) -> bool:
    """Return whether a person may open the admin; each table verifies the roles again."""
    return active and (staff or bool({*ROLES, LEAD}.intersection(roles)))


# Where people arrive; only there the portal greets a browser that it does not know.
LANDING = frozenset({"queue", "incidents", "audit_entries", "inventory", "agents", "people"})

# Who keeps what; auditors read all of it. Each page verifies the role again.
_KEPT = (
    ("inventory_editor", "gear", "inventory"),
    ("agent_admin", "bot", "agents"),
    ("user_admin", "user", "people"),
)


def _navigation(path: str, roles: tuple[str, ...]) -> Iterable[Item]:
    """Return the pages that the person may open; each page verifies this again."""
    places = [
        (gettext("Queue"), "queue", "queue"),
        (gettext("Incidents"), "alert", "incidents"),
    ]
    if "auditor" in roles:
        places += [
            (gettext("All incidents"), "file", "audit_incidents"),
            (gettext("Audit log"), "book", "audit_entries"),
        ]
    titles = {
        "inventory": pgettext("navigation", "Inventory"),
        "agents": pgettext("navigation", "Agents"),
        "people": pgettext("navigation", "People"),
    }
    places += [
        (titles[name], icon, name) for role, icon, name in _KEPT if {role, "auditor"} & {*roles}
    ]
    for title, icon, name in places:
        url = reverse(name)
        yield Item(title, icon, url, current=_below(path, url))


def _below(path: str, url: str) -> bool:
    """Return whether the path belongs to this item of the navigation.

    ``/proposals/…`` belongs to the queue, ``/audit/log/`` to the audit log.
    """
    also = {reverse("queue"): "/proposals/", reverse("audit_entries"): reverse("audit_log")}
    return path.startswith(url) or (url in also and path.startswith(also[url]))
