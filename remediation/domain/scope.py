"""The scope: everything that a plan can reach, and what is unknown about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain.conditions import Consumer
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 4 * 1024 * 1024
MAX_SERVICES = 5_000
# As many as a look at the target tells about, for every step of a plan.
MAX_CONSUMERS = 1_000
_NAME = 500


class Criticality(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True)
class ScopeTarget:
    """A target of the plan as in the inventory; `known` is false when it is not there."""

    locator: str
    known: bool
    kind: str
    environment: str
    owner_team: str

    def to_json(self) -> dict[str, Json]:
        return {
            "locator": self.locator,
            "known": self.known,
            "kind": self.kind,
            "environment": self.environment,
            "owner_team": self.owner_team,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> ScopeTarget:
        source = Fields(
            value, at, required=("locator", "known", "kind", "environment", "owner_team")
        )
        return cls(
            locator=source.text("locator", _NAME, least=1),
            known=source.boolean("known"),
            kind=source.text("kind", _NAME),
            environment=source.text("environment", _NAME),
            owner_team=source.text("owner_team", _NAME),
        )


@dataclass(frozen=True)
class ScopeService:
    """A service that the plan reaches. `via` is the target's locator, `depth` 1 is direct."""

    id: int
    name: str
    via: str
    depth: int
    environment: str
    criticality: str
    payment_path: bool
    external_partner: bool
    owner_team: str

    @property
    def owner_known(self) -> bool:
        return self.owner_team != ""

    def to_json(self) -> dict[str, Json]:
        return {
            "id": self.id,
            "name": self.name,
            "via": self.via,
            "depth": self.depth,
            "environment": self.environment,
            "criticality": self.criticality,
            "payment_path": self.payment_path,
            "external_partner": self.external_partner,
            "owner_team": self.owner_team,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> ScopeService:
        source = Fields(
            value,
            at,
            required=(
                "id", "name", "via", "depth", "environment", "criticality", "payment_path",
                "external_partner", "owner_team",
            ),
        )  # fmt: skip
        return cls(
            id=source.integer("id", 0, 2**53 - 1),
            name=source.text("name", _NAME),
            via=source.text("via", _NAME, least=1),
            depth=source.integer("depth", 1, 1_000),
            environment=source.text("environment", _NAME),
            criticality=source.one_of("criticality", tuple(Criticality)),
            payment_path=source.boolean("payment_path"),
            external_partner=source.boolean("external_partner"),
            owner_team=source.text("owner_team", _NAME),
        )


@dataclass(frozen=True)
class ScopeConsumer:
    """A consumer of an identity, by its locator: it must move when the credential is rotated."""

    identity: str
    consumer: Consumer

    def to_json(self) -> dict[str, Json]:
        return {"identity": self.identity, "consumer": self.consumer.to_json()}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> ScopeConsumer:
        source = Fields(value, at, required=("identity", "consumer"))
        return cls(
            source.text("identity", _NAME, least=1),
            Consumer.from_json(source.value("consumer"), source.at("consumer")),
        )


@dataclass(frozen=True)
class Scope:
    """Targets, services reached, and what is unknown, in words.

    Consumers are there only for a plan that waits or delivers a new credential.
    """

    targets: tuple[ScopeTarget, ...]
    services: tuple[ScopeService, ...]
    unknown: tuple[str, ...]
    consumers: tuple[ScopeConsumer, ...] = ()

    def to_json(self) -> dict[str, Json]:
        """Sort the services, so that the same scope always has the same bytes."""
        ordered = sorted(self.services, key=lambda s: (s.depth, s.name, s.id, s.via))
        return {
            "targets": [target.to_json() for target in self.targets],
            "services": [service.to_json() for service in ordered],
            "unknown": list(self.unknown),
            **({"consumers": self._consumers()} if self.consumers else {}),
        }

    def _consumers(self) -> list[Json]:
        ordered = sorted(self.consumers, key=lambda one: (one.identity, encode(one.to_json())))
        return [one.to_json() for one in ordered]

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Scope:
        source = Fields(
            value, at, required=("targets", "services", "unknown"), optional=("consumers",)
        )
        return cls(
            targets=source.array("targets", ScopeTarget.from_json, most=100),
            services=source.array("services", ScopeService.from_json, most=MAX_SERVICES),
            unknown=source.texts("unknown"),
            consumers=source.array(
                "consumers", ScopeConsumer.from_json, least=1, most=MAX_CONSUMERS
            )
            if "consumers" in source
            else (),
        )

    def body(self) -> bytes:
        return encode(self.to_json())

    @property
    def digest(self) -> str:
        return digest(Kind.SCOPE, self.body())

    @classmethod
    def parse(cls, body: bytes) -> Scope:
        """Parse a stored scope. Raises BadInput unless it is canonical and well-formed."""
        # At most 12 keys for each service, and room for the rest.
        scope = cls.from_json(
            parse_json(body, max_bytes=MAX_BYTES, max_keys=12 * MAX_SERVICES + 5_000)
        )
        if scope.body() != body:
            raise BadValue("the scope is not canonical")
        return scope
