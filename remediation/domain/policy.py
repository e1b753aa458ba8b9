"""What is asked before a plan may run. Every rule only ever adds; none takes anything back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from remediation.domain.catalogue import ACTIONS
from remediation.domain.facts import Facts, facts
from remediation.domain.ruling import (
    ANY,
    ROLES,
    SECURITY,
    SERVICE_OWNER,
    SLOTS,
    USER_VERIFIED,
    Requirements,
    Risk,
    Ruling,
    rule,
    tightened,
)
from remediation.domain.scope import Criticality

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
    "Requirements",
    "Risk",
    "Ruling",
    "evaluate",
    "facts",
    "rule",
    "tightened",
]

# Raised whenever a rule changes; it is in the ruling, and so in what a reviewer signs.
VERSION = 1

_TWO_ROLES = ROLES

# Fifteen minutes: an approval is for now. Later the facts behind it are old.
RUN_WITHIN_S = 900


# A graver incident must not wait longer for people than a lesser one.
DECIDE_WITHIN_S: Mapping[Risk, int] = {
    Risk.CRITICAL: 900,
    Risk.HIGH: 1_800,
    Risk.MEDIUM: 3_600,
    Risk.LOW: 14_400,
}


@dataclass(frozen=True)
class Demand:
    """What one rule adds: a risk, slots, and why, in words."""

    risk: Risk
    slots: tuple[str, ...]
    reason: str


def _always(_: Facts) -> Demand:
    return Demand(Risk.LOW, (ANY,), "Every proposal needs a person.")


def _grants_access(given: Facts) -> Demand | None:
    # An action that this catalogue does not know is taken for the worst.
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


def evaluate(given: Facts) -> Requirements:
    """Apply every rule and take, of each demand, the most."""
    demands = [demand for rule in RULES if (demand := rule(given)) is not None]
    risk = max((demand.risk for demand in demands), key=lambda r: r.rank)
    return Requirements(
        version=VERSION,
        risk=risk.value,
        slots=_most_slots([demand.slots for demand in demands]),
        assurance=USER_VERIFIED,
        decide_within_s=DECIDE_WITHIN_S[risk],
        run_within_s=RUN_WITHIN_S,
        reasons=tuple(demand.reason for demand in demands),
    )


def _most_slots(demanded: list[tuple[str, ...]]) -> tuple[str, ...]:
    """Take each role as often as the rule that asks for most, then fill up with "any"."""
    roles: Counter[str] = Counter()
    for slots in demanded:
        roles |= Counter(slot for slot in slots if slot != ANY)
    total = max(len(slots) for slots in demanded)
    named = [slot for slot in ROLES for _ in range(roles[slot])]
    return (*named, *[ANY] * (total - len(named)))


def _listed(items: tuple[str, ...]) -> str:
    rest = f" and {len(items) - 5} more" if len(items) > 5 else ""
    return ", ".join(items[:5]) + rest
