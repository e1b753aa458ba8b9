"""People and agent as the gate's evidence holds them: their present state, who is excluded."""

from __future__ import annotations

from dataclasses import dataclass

from audit.tlog.canonical import Json
from remediation.domain.fields import Fields
from remediation.domain.scope import MAX_SERVICES


@dataclass(frozen=True)
class PersonEvidence:
    """Whether a person is active now, the roles, and the services that the person may review.

    Of the services only those on which a right can make a role count; by name. Evidence before
    version 3 has None: there a person without the rights had no roles.
    """

    person: str
    active: bool
    roles: tuple[str, ...]
    services: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, Json]:
        found: dict[str, Json] = {
            "person": self.person,
            "active": self.active,
            "roles": list(self.roles),
        }
        return found if self.services is None else {**found, "services": list(self.services)}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> PersonEvidence:
        source = Fields(value, at, required=("person", "active", "roles"), optional=("services",))
        return cls(
            person=source.text("person", 100, least=1),
            active=source.boolean("active"),
            roles=source.texts("roles", longest=200),
            services=source.texts("services", most=MAX_SERVICES, longest=500)
            if "services" in source
            else None,
        )


@dataclass(frozen=True)
class Excluded:
    """A person who may not decide on this proposal, with one reason.

    In older evidence one object has all reasons of the person, separated by "; ".
    """

    person: str
    why: str

    def to_json(self) -> dict[str, Json]:
        return {"person": self.person, "why": self.why}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Excluded:
        source = Fields(value, at, required=("person", "why"))
        return cls(source.text("person", 100, least=1), source.text("why", 4_000))


@dataclass(frozen=True)
class AgentEvidence:
    """The agent that made the proposal, and whether it is enabled now."""

    id: str
    enabled: bool

    def to_json(self) -> dict[str, Json]:
        return {"id": self.id, "enabled": self.enabled}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> AgentEvidence:
        source = Fields(value, at, required=("id", "enabled"))
        return cls(source.text("id", 100, least=1), source.boolean("enabled"))


@dataclass(frozen=True)
class ReversalEvidence:
    """For a reversal: the reversed run, the digest of its inverse plan (empty if there is none),
    and the proposer's current state."""

    of: str
    plan: str
    proposer: PersonEvidence

    def to_json(self) -> dict[str, Json]:
        return {"of": self.of, "plan": self.plan, "proposer": self.proposer.to_json()}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> ReversalEvidence:
        source = Fields(value, at, required=("of", "plan", "proposer"))
        return cls(
            source.uuid("of"),
            source.text("plan", 64),
            PersonEvidence.from_json(source.value("proposer"), source.at("proposer")),
        )
