"""The slots of a ruling: their words, and who may fill one. No other module knows either.

`security` and `service_owner` ask for that role, `any` for one of the two, `lead` for a lead.
`service_owner:1` and so on ask for an owner of certain services, which the ruling names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from audit.tlog.canonical import Json
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields

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

# As many services as a scope holds, with names and teams as long as the inventory's.
_MOST_SERVICES, _LONGEST = 5_000, 500

Service = TypeVar("Service", bound=Hashable)


@dataclass(frozen=True)
class Team:
    """A team, and those of its services whose owners are asked, by name and in order."""

    team: str
    services: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        return {"team": self.team, "services": list(self.services)}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Team:
        source = Fields(value, at, required=("team", "services"))
        return cls(
            source.text("team", _LONGEST, least=1),
            source.texts("services", most=_MOST_SERVICES, longest=_LONGEST),
        )


@dataclass(frozen=True)
class Owner:
    """One owner's slot of a ruling: whom it asks, for which services."""

    slot: str
    team: str
    services: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        return {"slot": self.slot, "team": self.team, "services": list(self.services)}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Owner:
        source = Fields(value, at, required=("slot", "team", "services"))
        found = Team.from_json({k: source.value(k) for k in ("team", "services")}, at)
        if not found.services:
            raise BadValue("an owner's slot names services", pointer=source.at("services"))
        return cls(source.one_of("slot", OWNERS), found.team, found.services)


def owners_of(teams: Iterable[Team]) -> tuple[Owner, ...]:
    """Return one owner's slot for each team, numbered; only for as many as there are slots."""
    return tuple(
        Owner(slot, asked.team, asked.services) for slot, asked in zip(OWNERS, teams, strict=False)
    )


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

        For an owner's slot the right on one of its services counts, for the others the right on
        one service that uses a target directly. Where the inventory knows no direct service, and
        for a lead, the role is enough. The same rule in SQL: `may_fill_v1` in sql/review.sql.
        """
        if slot not in SLOTS or not fits(slot, roles):
            return False
        if slot in OWNERS:
            return not self.owned.get(slot, frozenset()).isdisjoint(rights)
        return slot == LEAD or not self.direct or not self.direct.isdisjoint(rights)

    def fitting(self, roles: Collection[str], rights: Collection[Service]) -> tuple[str, ...]:
        """Return the ruling's slots that the person may fill, each once, filled or not."""
        return tuple(s for s in dict.fromkeys(self.slots) if self.may_fill(s, roles, rights))

    def counting(self, roles: Collection[str], rights: Collection[Service]) -> frozenset[str]:
        """Return those of the roles that count here: in a slot, or by a right on a direct service.

        The second is for people whom no slot asks, but whose service is affected: they may correct
        and ask to look again.
        """
        return frozenset(
            role
            for role in roles
            if self.fitting((role,), rights)
            or (role in ROLES and self.may_fill(role, (role,), rights))
        )


def left_open(slots: Iterable[str], taken: Iterable[str]) -> tuple[str, ...]:
    """Return the slots that are left when each taken one fills one of them."""
    free = list(slots)
    for slot in taken:
        if slot in free:
            free.remove(slot)
    return tuple(free)


Named = tuple[Iterable[str], Iterable[Owner]]


def covers(have: Named, need: Named) -> bool:
    """Return whether the slots of one ruling ask for all that those of another ask for.

    Each is given as slots and owners. An owner's slot covers one for the same team, whatever its
    number, and the plain owner's slot; a lead's slot covers those of all owners, in whose place it
    stands.
    """
    had, needed = _by_team(*have), _by_team(*need)
    if LEAD in had:
        needed = _behind_lead(needed)
    plain, owners = needed.pop(SERVICE_OWNER, 0), [s for s in had if role_of(s) == SERVICE_OWNER]
    named = {slot: number for slot, number in needed.items() if slot != ANY}
    if any(had[slot] < number for slot, number in named.items()):
        return False
    if sum(had[slot] for slot in owners) < plain + sum(
        number for slot, number in named.items() if role_of(slot) == SERVICE_OWNER
    ):
        return False
    return had.total() >= needed.total() + plain


def _by_team(slots: Iterable[str], owners: Iterable[Owner]) -> Counter[str]:
    teams = {owner.slot: f"{SERVICE_OWNER}:{owner.team}" for owner in owners}
    return Counter(teams.get(slot, slot) for slot in slots)


def _behind_lead(needed: Counter[str]) -> Counter[str]:
    """Return the same with one lead's slot in place of all that ask for an owner or a lead."""
    kept = Counter({s: n for s, n in needed.items() if role_of(s) not in (SERVICE_OWNER, LEAD)})
    asks_more = kept.total() < needed.total()
    return kept + Counter({LEAD: max(needed[LEAD], 1) if asks_more else 0})
