"""Say what this worker may work on: the environments that `HITL_ENVIRONMENTS` names, or all.

The environment of a proposal is that of its plan; what the worker's targets file says of its
targets counts too, since an agent chose the plan's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

from django.conf import settings

from remediation.domain.errors import BadInput, NotServed
from remediation.models import IdentityVersion, Proposal
from remediation.queues import ENVIRONMENTS
from remediation.services import host_files
from remediation.services.load_plan import read_plan


def serves_all() -> bool:
    """Return whether this process serves every environment."""
    return set(settings.ENVIRONMENTS) >= set(ENVIRONMENTS)


def check(proposal_id: UUID) -> None:
    """Refuse to work for a proposal of an environment that this worker does not serve.

    Raises NotServed; also for a plan that cannot be read.
    """
    if serves_all():
        return
    body = Proposal.objects.values_list("plan", flat=True).get(pk=proposal_id)
    try:
        plan = read_plan(bytes(body))
    except BadInput as error:
        raise NotServed(f"the plan cannot be read: {error}") from error
    others = {plan.environment, *host_files.environments(plan)} - set(settings.ENVIRONMENTS)
    if others:
        raise NotServed(f"{', '.join(sorted(others))}; {', '.join(settings.ENVIRONMENTS)} served")


def own_proposals(keys: Iterable[UUID]) -> list[UUID]:
    """Return those of the proposals that this worker may work for, in their order."""
    return [key for key in keys if _is_own(key)]


def _is_own(key: UUID) -> bool:
    try:
        check(key)
    except NotServed:
        return False
    return True


def own_identities(locators: Collection[str]) -> set[str]:
    """Return those of the identities whose environment this worker serves, by the inventory.

    One that the inventory does not know counts as of production.
    """
    if serves_all():
        return set(locators)
    newest = (
        IdentityVersion.objects.filter(identity__locator__in=list(locators))
        .order_by("identity", "-pk")
        .distinct("identity")
        .values_list("identity__locator", "environment")
    )
    known = dict(newest)
    return {one for one in locators if known.get(one, ENVIRONMENTS[0]) in settings.ENVIRONMENTS}
