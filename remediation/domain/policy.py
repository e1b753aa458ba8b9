"""The policy rules: what a plan needs before it may run. A rule only adds requirements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from remediation.domain.catalogue import ACTIONS
from remediation.domain.facts import Facts, facts
from remediation.domain.holds import Hold, Mode, holds_of
from remediation.domain.plan import Plan
from remediation.domain.ruling import (
    USER_VERIFIED,
    Requirements,
    Risk,
    Ruling,
    rule,
    tightened,
)
from remediation.domain.scope import Criticality
from remediation.domain.slots import (
    ANY,
    LEAD,
    MOST_OWNERS,
    ROLES,
    SECURITY,
    SERVICE_OWNER,
    SLOTS,
    Owner,
    Team,
    owners_of,
)

__all__ = [
    "ANY",
    "ROLES",
    "RULES",
    "SECURITY",
    "SERVICE_OWNER",
    "SLOTS",
    "USER_VERIFIED",
    "VERSION",
    "Facts",
    "Hold",
    "Mode",
    "Requirements",
    "Risk",
    "Ruling",
    "evaluate",
    "facts",
    "rule",
    "tightened",
]

# Raise it whenever a rule changes. The ruling contains it, so reviewers sign it.
# Version 2 asks an owner of each team whose critical services are reached.
VERSION = 2

_TWO_ROLES = ROLES

# Fifteen minutes, because the facts behind an approval become outdated.
RUN_WITHIN_S = 900


# A higher risk must not have a longer deadline than a lower one.
DECIDE_WITHIN_S: Mapping[Risk, int] = {
    Risk.CRITICAL: 900,
    Risk.HIGH: 1_800,
    Risk.MEDIUM: 3_600,
    Risk.LOW: 14_400,
}


@dataclass(frozen=True)
class Demand:
    """What one rule adds: a risk, slots, and the reason in words."""

    risk: Risk
    slots: tuple[str, ...]
    reason: str


def _always(_: Facts) -> Demand:
    return Demand(Risk.LOW, (ANY,), "Every proposal needs a person.")


def _grants_access(given: Facts) -> Demand | None:
    # An action that is not in this catalogue counts as one that grants access.
    granting = [k for k in given.actions if k not in ACTIONS or ACTIONS[k].grants_access]
    if not granting:
        return None
    return Demand(Risk.MEDIUM, (), "It gives an identity access: " + ", ".join(granting) + ".")


def _irreversible(given: Facts) -> Demand | None:
    if given.reversible:
        return None
    return Demand(Risk.HIGH, _TWO_ROLES, "A step cannot be undone.")


def _environment(given: Facts) -> Demand | None:
    if "production" in given.environments:
        return Demand(Risk.HIGH, _TWO_ROLES, "It reaches production.")
    if set(given.environments) - {"development"}:
        return Demand(Risk.MEDIUM, (), "It reaches more than development.")
    return None


def _criticality(given: Facts) -> Demand | None:
    if given.criticality == Criticality.LOW:
        return None
    return Demand(
        Risk(given.criticality), (), f"It reaches a service of {given.criticality} criticality."
    )


def _payment_path(given: Facts) -> Demand | None:
    if not given.payment_path:
        return None
    return Demand(Risk.CRITICAL, _TWO_ROLES, "It reaches the payment path.")


def _external_partner(given: Facts) -> Demand | None:
    if not given.external_partner:
        return None
    return Demand(Risk.HIGH, (), "It reaches an external partner.")


def _unknown_scope(given: Facts) -> Demand | None:
    if not given.unknown:
        return None
    return Demand(Risk.HIGH, _TWO_ROLES, f"The scope is not fully known: {_listed(given.unknown)}.")


def _unpinned(given: Facts) -> Demand | None:
    if not given.unpinned:
        return None
    return Demand(Risk.HIGH, _TWO_ROLES, f"Drift cannot be seen for: {_listed(given.unpinned)}.")


def _failed_checks(given: Facts) -> Demand | None:
    if not given.failed_checks:
        return None
    return Demand(Risk.HIGH, _TWO_ROLES, f"Checks failed: {_listed(given.failed_checks)}.")


RULES: tuple[Callable[[Facts], Demand | None], ...] = (
    _always,
    _grants_access,
    _irreversible,
    _environment,
    _criticality,
    _payment_path,
    _external_partner,
    _unknown_scope,
    _unpinned,
    _failed_checks,
)


def evaluate(
    given: Facts, *, plan: Plan | None = None, mode: Mode = Mode.EVERY_PROPOSAL
) -> Requirements:
    """Apply every rule and combine the strictest of their demands.

    `plan`: the plan that the ruling is for, whose waits it holds; `mode`: how often people are
    asked.
    """
    demands = [demand for rule in RULES if (demand := rule(given)) is not None]
    risk = max((demand.risk for demand in demands), key=lambda r: r.rank)
    slots, owners, why = _ask_owners(_most_slots([d.slots for d in demands]), given.owners)
    return Requirements(
        version=VERSION,
        risk=risk.value,
        slots=slots,
        assurance=USER_VERIFIED,
        decide_within_s=DECIDE_WITHIN_S[risk],
        run_within_s=RUN_WITHIN_S,
        reasons=(*(demand.reason for demand in demands), *why),
        owners=owners,
        holds=holds_of(plan, mode, DECIDE_WITHIN_S[risk]) if plan is not None else (),
        mode=mode,
    )


def _ask_owners(
    slots: tuple[str, ...], teams: tuple[Team, ...]
) -> tuple[tuple[str, ...], tuple[Owner, ...], tuple[str, ...]]:
    """Replace the owner's slot by one for each team, or by a lead's where there are too many.

    Returns the slots, whom they ask, and the reason. An approval by one role stays one: this only
    says which owners are asked where an owner is asked.
    """
    if SERVICE_OWNER not in slots or not teams:
        return slots, (), ()
    place = slots.index(SERVICE_OWNER)
    before = slots[:place]
    behind = tuple(slot for slot in slots[place:] if slot != SERVICE_OWNER)
    if len(teams) > MOST_OWNERS:
        why = f"{len(teams)} teams own critical services that it reaches, so a lead decides."
        return (*before, LEAD, *behind), (), (why,)
    owners = owners_of(teams)
    why = f"Critical services have these owners: {_listed(tuple(t.team for t in teams))}."
    return (*before, *(owner.slot for owner in owners), *behind), owners, (why,)


def _most_slots(demanded: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Return each role as often as the strictest rule asks, filled up with "any"."""
    roles: Counter[str] = Counter()
    for slots in demanded:
        roles |= Counter(slot for slot in slots if slot != ANY)
    total = max(len(slots) for slots in demanded)
    named = [slot for slot in ROLES for _ in range(roles[slot])]
    return (*named, *[ANY] * (total - len(named)))


def _listed(items: tuple[str, ...]) -> str:
    rest = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return ", ".join(items[:5]) + rest
