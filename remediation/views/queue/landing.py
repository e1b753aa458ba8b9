"""Choose the first page of a person: where their own work is."""

from __future__ import annotations

from django.urls import reverse

from remediation.domain.policy import ROLES
from remediation.models import QueueEntry, User
from remediation.services.access import authorize
from remediation.views.queue import presenter
from remediation.views.queue.filters import REVIEW, STOPPED, section

# In this order for a person of several roles. The pages of administrators need `is_staff`.
PAGES = (
    ("user_admin", "admin:remediation_user_changelist"),
    ("agent_admin", "admin:remediation_agent_changelist"),
    ("inventory_editor", "admin:remediation_service_changelist"),
    (authorize.AUDITOR, "audit_entries"),
)


def landing(person: User) -> str:
    """Return the address of the first of the person's pages that has work; the menu has the others.

    Decisions come first, because they have a clock.
    """
    roles = authorize.roles(person)
    if not _decides_now(person, roles):
        for role, route in PAGES:
            if role in roles and (person.is_staff or not route.startswith("admin:")):
                return reverse(route)
    return reverse("queue")


def _decides_now(person: User, roles: frozenset[str]) -> bool:
    if authorize.LEAD in roles and any(
        section(QueueEntry.objects.all(), name).exists() for name in (STOPPED, REVIEW)
    ):
        return True
    return bool(roles & set(ROLES)) and presenter.next_for(person) is not None
