"""The section "Needs a plan": open incidents without a proposal that can still run."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.core.cache import cache

from remediation.models import User
from remediation.services.access import visibility
from remediation.services.access.slots import Rights
from remediation.services.reporting import needs_plan
from remediation.services.reporting.needs_plan import Needing
from remediation.views.names import Names

logger = logging.getLogger(__name__)
# Finding them follows the inventory of each identity, so a page that polls keeps them this long.
KEPT_S = 30
FEW = 5


@dataclass(frozen=True)
class PlanRow:
    """One incident that needs a plan."""

    incident_id: UUID
    title_untrusted: str
    kind_untrusted: str
    locator_untrusted: str
    since: datetime
    due: datetime
    owner: UUID | None
    owner_name: str
    first: bool


@dataclass(frozen=True)
class NeedsPlan:
    rows: tuple[PlanRow, ...]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


def needs_plan_of(rights: Rights, person: User) -> NeedsPlan:
    """Return the most urgent ones that the person may see.

    The cache keeps only which they are; what the page says of them is read anew, and so is whether
    the person may see them.
    """
    kept = _kept(rights.person)
    if kept is None:
        found = needs_plan.needing(person)
        few, total = list(found[:FEW]), len(found)
        _keep(rights.person, [one.incident_id for one in few], total)
    else:
        ids, total = kept
        seen = visibility.visible_incident_entries(rights).filter(pk__in=ids)
        still = needs_plan.of(list(seen.values_list("pk", flat=True))) if ids else {}
        few = [still[one] for one in ids if one in still]
    return NeedsPlan(tuple(_rows(few)), max(total, len(few)))


def _rows(found: Iterable[Needing]) -> Iterable[PlanRow]:
    few = list(found)
    names = Names([one.assignee for one in few if one.assignee])
    for one in few:
        yield PlanRow(
            one.incident_id,
            one.title_untrusted,
            one.kind_untrusted,
            one.locator_untrusted,
            one.since,
            one.due,
            one.assignee,
            names.person(one.assignee) if one.assignee else "",
            one.first,
        )


def _kept(person: UUID) -> tuple[list[UUID], int] | None:
    """Return what the cache has; None for what `_keep` did not write."""
    try:
        total, *ids = str(cache.get(f"queue-needs-plan:{person}") or "").split(" ")
        kept = [UUID(one) for one in ids][:FEW], int(total)
        return kept if bool(kept[0]) == bool(kept[1]) else None
    except ValueError:
        return None
    except Exception:
        logger.exception("the cache of incidents that need a plan")
        return None


def _keep(person: UUID, ids: list[UUID], total: int) -> None:
    try:
        text = " ".join([str(total), *(str(one) for one in ids)])
        cache.set(f"queue-needs-plan:{person}", text, KEPT_S)
    except Exception:
        logger.exception("the cache of incidents that need a plan")
