"""The admin: a door to inventory, agents and people; everything else is read-only.

What is registered here is shown by `hitlportal.site.PortalAdminSite`. No page of it saves a row
itself: what a form says goes to a service, which asks again who may, and records it.
"""

from __future__ import annotations

from remediation.admin import names

names.apply()

from remediation.admin import agents, facts, inventory, people  # noqa: E402

__all__ = ["agents", "facts", "inventory", "people"]
