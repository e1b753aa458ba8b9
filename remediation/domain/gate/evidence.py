"""The gate's whole input, also as a JSON file that can be verified again without a database.

The bodies are the recorded bytes, as text; the gate computes their digests again. The current
facts, people, observations and clocks are the worker's own statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.errors import BadValue
from remediation.domain.facts import Facts
from remediation.domain.fields import Fields
from remediation.domain.gate.incident import IncidentEvidence
from remediation.domain.gate.inclusion import LogEvidence
from remediation.domain.gate.narrowed import MOST as MOST_NARROWINGS
from remediation.domain.gate.narrowed import NarrowingEvidence
from remediation.domain.gate.parties import (
    AgentEvidence,
    Excluded,
    PersonEvidence,
    ReversalEvidence,
)
from remediation.domain.gate.reviewed import ReviewEvidence
from remediation.domain.gate.waited import WaitEvidence
from remediation.domain.holds import Mode
from remediation.domain.observation import Pinned, Unobservable, parse_pin
from remediation.domain.plan import MAX_STEPS, SECOND, Plan
from remediation.domain.ruling import Ruling
from remediation.domain.strict import parse as parse_json
from remediation.domain.waits import Made

T = TypeVar("T")

# Version 3 says for each reviewer on which services the right to review is held, so that the gate
# applies the rule itself, and has narrowings. Version 4 is for runs that wait. A verifier that only
# knows an earlier version would overlook what a later one adds. All are read and verified.
TYPE = "hitlportal-evidence/v3"
WAITING = "hitlportal-evidence/v4"
_SECOND = "hitlportal-evidence/v2"
MAX_BYTES = 32 * 1024 * 1024
MAX_KEYS = 200_000
_MAX_BODY = 8 * 1024 * 1024
__all__ = [
    "AgentEvidence",
    "Evidence",
    "Excluded",
    "PersonEvidence",
    "ReversalEvidence",
    "Unobservable",
    "WaitEvidence",
    "evidence_type",
]
_WAITING = ("waits", "made", "applied_at", "waited_s", "mode")
_BODIES = ("plan", "diagnosis", "scope", "checks", "ruling", "pin")


@dataclass(frozen=True)
class Evidence:
    """The gate's whole input, apart from the approvers file and the time."""

    proposal_id: str
    round: int
    plan: str
    diagnosis: str
    scope: str
    checks: str
    ruling: str
    pin: str
    facts: Facts
    reviews: tuple[ReviewEvidence, ...]
    people: tuple[PersonEvidence, ...]
    excluded: tuple[Excluded, ...]
    agent: AgentEvidence
    # Why execution is frozen; empty if it is not.
    frozen: str
    observations: tuple[Pinned, ...]
    unobservable: tuple[Unobservable, ...]
    # The next step, and the steps that were applied.
    step: int
    applied: tuple[int, ...]
    approved_at: datetime
    database_now: datetime
    worker_now: datetime
    token: int
    # What the log proves; None where the gate clears no step.
    log: LogEvidence | None = None
    # Set for a reversal; then the state of the agent does not matter.
    reversal: ReversalEvidence | None = None
    # None in evidence from before a closed incident kept its proposals from running.
    incident: IncidentEvidence | None = None
    # Set for a plan of a person; then that person's role counts, not the state of the agent.
    planner: PersonEvidence | None = None
    # Those of this proposal and of the ones that it supersedes.
    narrowings: tuple[NarrowingEvidence, ...] = ()
    type: str = TYPE
    # Version 4: the waits of the applied steps, what each step made, when it was applied, how long
    # the run has waited in all, and how often people are asked now.
    waits: tuple[WaitEvidence, ...] = ()
    made: Made = field(default_factory=dict)
    applied_at: Mapping[int, datetime] = field(default_factory=dict)
    waited_s: int = 0
    mode: Mode = Mode.EVERY_PROPOSAL

    def __post_init__(self) -> None:
        if self.type != _SECOND and any(person.services is None for person in self.people):
            raise BadValue("a person's services are missing", pointer="/people")
        if self.type == _SECOND and (self.narrowings or self.planner is not None):
            raise BadValue("version 2 has no narrowings and no planner", pointer="/type")
        more = self.waits or self.made or self.applied_at or self.waited_s
        if self.type != WAITING and (more or self.mode is not Mode.EVERY_PROPOSAL):
            raise BadValue("only version 4 has waits", pointer="/type")

    @property
    def proposer(self) -> PersonEvidence | None:
        """Return the person whose role counts instead of the agent: of a reversal or a plan."""
        return self.reversal.proposer if self.reversal is not None else self.planner

    def step_pin(self) -> Pinned:
        """Return the pin of this step's target. Raises BadInput when the pin cannot be parsed."""
        targets = parse_pin(self.pin.encode(errors="surrogatepass"))
        if not 0 <= self.step < len(targets):
            raise BadValue("the pin has no entry for this step")
        return targets[self.step]

    def why_excluded(self, person: str) -> tuple[str, ...]:
        """Return the reasons why the person may not decide; empty if there are none."""
        return tuple(entry.why for entry in self.excluded if entry.person == person)

    def to_json(self) -> dict[str, Json]:
        return {
            "type": self.type,
            "proposal": self.proposal_id,
            "round": self.round,
            **{name: getattr(self, name) for name in _BODIES},
            "facts": self.facts.to_json(),
            "reviews": [item.to_json() for item in self.reviews],
            "people": [item.to_json() for item in self.people],
            "excluded": [item.to_json() for item in self.excluded],
            "agent": self.agent.to_json(),
            "frozen": self.frozen,
            "observations": [item.to_json() for item in self.observations],
            "unobservable": [item.to_json() for item in self.unobservable],
            "step": self.step,
            "applied": list(self.applied),
            "approved_at": instant.dump(self.approved_at),
            "database_now": instant.dump(self.database_now),
            "worker_now": instant.dump(self.worker_now),
            "token": self.token,
            "log": self.log.to_json() if self.log is not None else None,
            **({"reversal": self.reversal.to_json()} if self.reversal is not None else {}),
            **({"incident": self.incident.to_json()} if self.incident is not None else {}),
            **({"narrowings": [n.to_json() for n in self.narrowings]} if self.narrowings else {}),
            **({"planner": self.planner.to_json()} if self.planner is not None else {}),
            **(self._waiting() if self.type == WAITING else {}),
        }

    def _waiting(self) -> dict[str, Json]:
        return {
            "waits": [wait.to_json() for wait in self.waits],
            "made": {str(step): dict(values) for step, values in self.made.items()},
            "applied_at": {str(step): instant.dump(at) for step, at in self.applied_at.items()},
            "waited_s": self.waited_s,
            "mode": self.mode.value,
        }

    def dump(self) -> bytes:
        """Return the bytes of the evidence file."""
        return encode(self.to_json()) + b"\n"

    @classmethod
    def parse(cls, raw: bytes) -> Evidence:
        """Parse an evidence file. Raises a subclass of BadInput."""
        return cls.from_json(parse_json(raw, max_bytes=MAX_BYTES, max_keys=MAX_KEYS))

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Evidence:
        """Build evidence from parsed JSON. Raises a subclass of BadInput."""
        fourth = isinstance(value, dict) and value.get("type") == WAITING
        source = Fields(
            value,
            at,
            required=(
                *(_WAITING if fourth else ()),
                "type", "proposal", "round", *_BODIES, "facts", "reviews", "people", "excluded",
                "agent", "frozen", "observations", "unobservable", "step", "applied",
                "approved_at", "database_now", "worker_now", "token", "log",
            ),
            optional=("reversal", "incident", "narrowings", "planner"),
        )  # fmt: skip
        return cls(
            type=source.one_of("type", (WAITING, TYPE, _SECOND)),
            proposal_id=source.uuid("proposal"),
            round=source.integer("round", 1, 1_000_000),
            plan=source.text("plan", _MAX_BODY),
            diagnosis=source.text("diagnosis", _MAX_BODY),
            scope=source.text("scope", _MAX_BODY),
            checks=source.text("checks", _MAX_BODY),
            ruling=source.text("ruling", _MAX_BODY),
            pin=source.text("pin", _MAX_BODY),
            facts=Facts.from_json(source.value("facts"), source.at("facts")),
            reviews=source.array("reviews", ReviewEvidence.from_json, most=100),
            people=source.array("people", PersonEvidence.from_json, most=1_000),
            # A thousand people, each for all six reasons that there are (sql/people.sql).
            excluded=source.array("excluded", Excluded.from_json, most=6_000),
            agent=AgentEvidence.from_json(source.value("agent"), source.at("agent")),
            frozen=source.text("frozen", 4_000),
            observations=source.array("observations", Pinned.from_json, most=100),
            unobservable=source.array("unobservable", Unobservable.from_json, most=100),
            step=source.integer("step", 0, MAX_STEPS - 1),
            applied=source.array("applied", _step_index, most=MAX_STEPS),
            approved_at=source.instant("approved_at"),
            database_now=source.instant("database_now"),
            worker_now=source.instant("worker_now"),
            token=source.integer("token", 0, 2**53 - 1),
            log=_log(source.value("log"), source.at("log")),
            reversal=_optional(source, "reversal", ReversalEvidence.from_json),
            incident=_optional(source, "incident", IncidentEvidence.from_json),
            planner=_optional(source, "planner", PersonEvidence.from_json),
            narrowings=source.array(
                "narrowings", NarrowingEvidence.from_json, least=1, most=MOST_NARROWINGS
            )
            if "narrowings" in source
            else (),
            **(_waiting(source) if fourth else {}),
        )


def evidence_type(plan: Plan, ruling: Ruling, mode: Mode) -> str:
    """Return the version of evidence for a run: the fourth only if it has something to say."""
    waits = plan.version == SECOND or ruling.holds or mode is not Mode.EVERY_PROPOSAL
    return WAITING if waits else TYPE


def _waiting(source: Fields) -> dict[str, Any]:
    """Read the fields of version 4."""
    return {
        "waits": source.array("waits", WaitEvidence.from_json, most=MAX_STEPS),
        "made": _by_step(source, "made", _texts),
        "applied_at": _by_step(source, "applied_at", Fields.instant),
        "waited_s": source.integer("waited_s", 0, 2**53 - 1),
        "mode": Mode(source.one_of("mode", tuple(Mode))),
    }


def _by_step(source: Fields, key: str, read: Callable[[Fields, str], T]) -> dict[int, T]:
    """Read an object whose keys are the indices of steps."""
    value = source.mapping(key)
    steps = [str(index) for index in range(MAX_STEPS)]
    inner = Fields(value, source.at(key), required=(), optional=steps)
    return {index: read(inner, name) for index, name in enumerate(steps) if name in inner}


def _texts(source: Fields, key: str) -> dict[str, str]:
    value = source.mapping(key)
    inner = Fields(value, source.at(key), required=tuple(value))
    return {name: inner.text(name, 1_000) for name in value}


def _optional(source: Fields, key: str, read: Callable[[Json, str], T]) -> T | None:
    return read(source.value(key), source.at(key)) if key in source else None


def _log(value: Json, at: str) -> LogEvidence | None:
    return None if value is None else LogEvidence.from_json(value, at)


def _step_index(value: Json, at: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < MAX_STEPS:
        raise BadValue("not the index of a step", pointer=at)
    return value
