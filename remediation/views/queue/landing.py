"""Choose the first page of a person: where their own work is."""

from __future__ import annotations

from django.urls import reverse

from remediation.domain.policy import ROLES
from remediation.models import QueueEntry, User
from remediation.services.access import authorize
from remediation.views.queue import presenter
from remediation.views.queue.filters import REVIEW, STOPPED, section

# In this order for a person of several roles.
PAGES = (
    ("user_admin", "people"),
    ("agent_admin", "agents"),
    ("inventory_editor", "inventory"),
    (authorize.AUDITOR, "audit_entries"),
)


def landing(person: User) -> str:
    """Return the address of the first of the person's pages that has work; the menu has the others.

    Decisions come first, because they have a clock.
    """
    roles = authorize.roles(person)
    if not _decides_now(person, roles):
        for role, route in PAGES:
            if role in roles:
                return reverse(route)
    return reverse("queue")


def _decides_now(person: User, roles: frozenset[str]) -> bool:
    if authorize.LEAD in roles and any(
        section(QueueEntry.objects.all(), name).exists() for name in (STOPPED, REVIEW)
    ):
        return True
    return bool(roles & set(ROLES)) and presenter.next_for(person) is not None
