"""The facts that policy rules read, derived from plan, scope and checks; no caller sends them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from audit.tlog.canonical import Json, encode
from remediation.domain.checks import Check, Outcome
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.observation import Observation
from remediation.domain.plan import Plan
from remediation.domain.scope import Criticality, Scope
from remediation.domain.slots import Team
from remediation.domain.strict import parse as parse_json

# Room for the names of all services of a scope.
MAX_BYTES = 4 * 1024 * 1024
# The second form names itself and the owners of what is critical. Facts of the first form, which
# has no version, are still read.
VERSION = 2
_MOST_TEAMS = 5_000


@dataclass(frozen=True)
class Facts:
    """All that policy may read, derived from plan, scope, checks and observations."""

    actions: tuple[str, ...]
    reversible: bool
    environments: tuple[str, ...]
    criticality: str
    payment_path: bool
    external_partner: bool
    unknown: tuple[str, ...]
    unpinned: tuple[str, ...]
    failed_checks: tuple[str, ...]
    # The teams that own a critical service or one on the payment path, by name.
    owners: tuple[Team, ...] = ()
    version: int = VERSION

    def to_json(self) -> dict[str, Json]:
        later: dict[str, Json] = {
            "version": self.version,
            "owners": [owner.to_json() for owner in self.owners],
        }
        return {
            **(later if self.version > 1 else {}),
            "actions": list(self.actions),
            "reversible": self.reversible,
            "environments": list(self.environments),
            "criticality": self.criticality,
            "payment_path": self.payment_path,
            "external_partner": self.external_partner,
            "unknown": list(self.unknown),
            "unpinned": list(self.unpinned),
            "failed_checks": list(self.failed_checks),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Facts:
        source = Fields(
            value,
            at,
            required=(
                "actions", "reversible", "environments", "criticality", "payment_path",
                "external_partner", "unknown", "unpinned", "failed_checks",
            ),
            optional=("version", "owners"),
        )  # fmt: skip
        if ("version" in source) != ("owners" in source):
            raise BadValue("version and owners belong together", pointer=at)
        return cls(
            actions=source.texts("actions"),
            reversible=source.boolean("reversible"),
            environments=source.texts("environments"),
            criticality=source.one_of("criticality", tuple(Criticality)),
            payment_path=source.boolean("payment_path"),
            external_partner=source.boolean("external_partner"),
            unknown=source.texts("unknown"),
            unpinned=source.texts("unpinned"),
            failed_checks=source.texts("failed_checks"),
            owners=source.array("owners", Team.from_json, most=_MOST_TEAMS)
            if "owners" in source
            else (),
            version=source.integer("version", VERSION, VERSION) if "version" in source else 1,
        )

    def body(self) -> bytes:
        return encode(self.to_json())

    @classmethod
    def parse(cls, body: bytes) -> Facts:
        """Parse stored facts. Raises BadInput unless they are canonical and well-formed."""
        found = cls.from_json(parse_json(body, max_bytes=MAX_BYTES))
        if found.body() != body:
            raise BadValue("the facts are not canonical")
        return found

    def at_least(self, environments: Iterable[str]) -> Facts:
        """Return the facts with these environments added."""
        return replace(self, environments=_union(self.environments, tuple(environments)))

    def strictest(self, other: Facts) -> Facts:
        """Return facts for which policy asks for at least as much as for each of the two."""
        return Facts(
            actions=_union(self.actions, other.actions),
            reversible=self.reversible and other.reversible,
            environments=_union(self.environments, other.environments),
            criticality=max(self.criticality, other.criticality, key=_criticality_rank),
            payment_path=self.payment_path or other.payment_path,
            external_partner=self.external_partner or other.external_partner,
            unknown=_union(self.unknown, other.unknown),
            unpinned=_union(self.unpinned, other.unpinned),
            failed_checks=_union(self.failed_checks, other.failed_checks),
            owners=_by_team(*self._owned(), *other._owned()),
            version=max(self.version, other.version),
        )

    def _owned(self) -> Iterator[tuple[str, str]]:
        return ((owner.team, name) for owner in self.owners for name in owner.services)


def facts(
    plan: Plan,
    scope: Scope,
    checks: tuple[Check, ...],
    observations: Mapping[str, Observation | None],
    version: int = VERSION,
) -> Facts:
    """Derive the facts. Data missing from the scope counts as unknown, and unknown is risk.

    `version` 1 leaves out what the first form did not hold, to judge evidence of its time.
    """
    placed = {target.locator for target in scope.targets if target.known}
    missing = [t.locator for t in plan.targets if t.locator not in placed]
    unseen = [locator for locator, seen in observations.items() if seen is None]
    environments = [target.environment for target in scope.targets if target.environment]
    environments += [service.environment for service in scope.services if service.environment]
    specs = [step.spec for step in plan.steps]
    return Facts(
        actions=_union([spec.kind for spec in specs]),
        reversible=all(spec.reversible for spec in specs),
        environments=_union([plan.environment], environments),
        criticality=max(
            (service.criticality for service in scope.services),
            key=_criticality_rank,
            default=Criticality.LOW.value,
        ),
        payment_path=any(service.payment_path for service in scope.services),
        external_partner=any(service.external_partner for service in scope.services),
        unknown=_union(
            scope.unknown,
            [f"{locator} is not in the inventory" for locator in missing],
            [f"{locator} could not be observed" for locator in unseen],
        ),
        unpinned=_union([spec.kind for spec in specs if not spec.pin_fields]),
        failed_checks=_union([c.name for c in checks if c.outcome is Outcome.FAIL]),
        owners=_owners(scope) if version > 1 else (),
        version=version,
    )


def _owners(scope: Scope) -> tuple[Team, ...]:
    """Return the teams whose owners are asked, each with its services that are the reason.

    These are critical services and services on the payment path, direct and downstream, because
    an action reaches both. A service without an owner team names nobody whom one could ask; it is
    an unknown of the scope, for which policy asks two roles.
    """
    return _by_team(
        *(
            (service.owner_team, service.name)
            for service in scope.services
            if service.owner_team
            and (service.payment_path or service.criticality == Criticality.CRITICAL)
        )
    )


def _by_team(*owned: tuple[str, str]) -> tuple[Team, ...]:
    teams: dict[str, set[str]] = {}
    for team, service in owned:
        teams.setdefault(team, set()).add(service)
    return tuple(Team(team, tuple(sorted(teams[team]))) for team in sorted(teams))


def _criticality_rank(criticality: str) -> int:
    return list(Criticality).index(Criticality(criticality))


def _union(*groups: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return tuple(sorted({item for group in groups for item in group}))
