"""Register the admin pages: inventory, agents and people; everything else is read-only.

`hitlportal.site.PortalAdminSite` shows them. No page saves a row itself: forms pass their values to
services, which authorize the person again and write the audit entry.
"""

from __future__ import annotations

from remediation.admin import names

names.apply()

from remediation.admin import agents, facts, inventory, people  # noqa: E402

__all__ = ["agents", "facts", "inventory", "people"]
