"""The slots of a ruling: their words, and who may fill one. No other module knows either.

`security` and `service_owner` ask for that role, `any` for one of the two, `lead` for a lead.
`service_owner:1` and so on ask for an owner of certain services, which the ruling names.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

ANY, SECURITY, SERVICE_OWNER, LEAD = "any", "security", "service_owner", "lead"
# The roles of approvers. A lead's key halts runs, and fills a slot only where the ruling asks for
# a lead.
ROLES = (SECURITY, SERVICE_OWNER)
KEY_ROLES = (*ROLES, LEAD)
# More teams than this cannot be asked within the time to decide; the lead stands in for them.
MOST_OWNERS = 4
OWNERS = tuple(f"{SERVICE_OWNER}:{number}" for number in range(1, MOST_OWNERS + 1))
# Rulings of the first version of policy knew only these.
FIRST_SLOTS = (*ROLES, ANY)
SLOTS = (*FIRST_SLOTS, LEAD, *OWNERS)

Service = TypeVar("Service", bound=Hashable)


def role_of(slot: str) -> str:
    """Return the role that a slot asks for; `any` for either approver role."""
    return slot.partition(":")[0]


def fits(slot: str, roles: Collection[str]) -> bool:
    """Return whether one of these roles is the slot's. Rights on services are another question."""
    return any(role in roles for role in ROLES) if slot == ANY else role_of(slot) in roles


@dataclass(frozen=True)
class Asked(Generic[Service]):
    """What a ruling asks for: its slots, and the services on which a right makes a role count.

    Services are ids or names, the same everywhere in one use.
    """

    slots: tuple[str, ...]
    # The services that use a target directly.
    direct: frozenset[Service] = frozenset()
    # The services of each owner's slot.
    owned: Mapping[str, frozenset[Service]] = field(default_factory=dict)

    @property
    def services(self) -> frozenset[Service]:
        """Return all services on which a right can make a difference."""
        return self.direct.union(*self.owned.values())

    def may_fill(self, slot: str, roles: Collection[str], rights: Collection[Service]) -> bool:
        """Return whether a person with these roles and rights to review may fill the slot.

        The right on every direct service counts. Where the inventory knows no direct service the
        role is enough; policy then asks for two roles.
        """
        return fits(slot, roles) and self.direct.issubset(rights)

    def fitting(self, roles: Collection[str], rights: Collection[Service]) -> tuple[str, ...]:
        """Return the ruling's slots that the person may fill, each once, filled or not."""
        return tuple(s for s in dict.fromkeys(self.slots) if self.may_fill(s, roles, rights))


def left_open(slots: Iterable[str], taken: Iterable[str]) -> tuple[str, ...]:
    """Return the slots that are left when each taken one fills one of them."""
    free = list(slots)
    for slot in taken:
        if slot in free:
            free.remove(slot)
    return tuple(free)
