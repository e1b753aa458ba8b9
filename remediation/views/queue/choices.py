"""Page data around the list: tabs, filters, agents and saved views."""

from __future__ import annotations

from django.utils.translation import gettext, pgettext

from remediation.models import Agent, User
from remediation.services.access import authorize
from remediation.services.review import saved_views
from remediation.views.queue import filters
from remediation.views.queue.page import Tab

# At most this many agents are listed as choices; the address and the search accept any name.
AGENTS = 200


def around(person: User, chosen: filters.Filters, odd: tuple[str, ...]) -> dict[str, object]:
    """Return the parts of the page around the list; polling does not render them again."""
    roles = authorize.roles(person)
    saved = saved_views.views_of(person)
    agents = list(Agent.objects.order_by("name")[:AGENTS]) if roles else []
    return {
        "choices": filters.CHOICES,
        "tabs": _tabs(chosen),
        "agents": agents,
        "lone_agent": "" if chosen.agent in {agent.name for agent in agents} else chosen.agent,
        "without_target": chosen.but(target=""),
        "saved": saved,
        "current": next((view.name for view in saved if view.query == chosen.query), ""),
        "odd": odd,
    }


def _tabs(chosen: filters.Filters) -> list[Tab]:
    titles = {
        # Translators: all proposals.
        "": pgettext("tab of the queue", "All"),
        filters.MINE: gettext("Waiting for me"),
        filters.SERVICES: gettext("My services"),
    }
    return [Tab(title, chosen.but(show=key), chosen.show == key) for key, title in titles.items()]
