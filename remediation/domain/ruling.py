"""The ruling: the approvals that a plan needs before it may run, and their deadline."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.slots import ANY, FIRST_SLOTS
from remediation.domain.strict import parse as parse_json

MAX_BYTES = 256 * 1024

# The only assurance: a passkey with user verification.
USER_VERIFIED = "user_verified"


class Risk(StrEnum):
    """The risks in ascending order; the position in the class is the rank."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return list(Risk).index(self)


@dataclass(frozen=True)
class Requirements:
    """What policy asks for."""

    version: int
    risk: str
    slots: tuple[str, ...]
    assurance: str
    decide_within_s: int
    run_within_s: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Ruling:
    """Requirements with their deadline, fixed at the first assessment."""

    requirements: Requirements
    decide_by: datetime

    @property
    def slots(self) -> tuple[str, ...]:
        return self.requirements.slots

    @property
    def risk(self) -> str:
        return self.requirements.risk

    @property
    def reasons(self) -> tuple[str, ...]:
        return self.requirements.reasons

    @property
    def run_within_s(self) -> int:
        return self.requirements.run_within_s

    def to_json(self) -> dict[str, Json]:
        asked = self.requirements
        return {
            "version": asked.version,
            "risk": asked.risk,
            "slots": list(asked.slots),
            "assurance": asked.assurance,
            "decide_within_s": asked.decide_within_s,
            "run_within_s": asked.run_within_s,
            "reasons": list(asked.reasons),
            "decide_by": instant.dump(self.decide_by),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Ruling:
        source = Fields(
            value,
            at,
            required=(
                "version", "risk", "slots", "assurance", "decide_within_s", "run_within_s",
                "reasons", "decide_by",
            ),
        )  # fmt: skip
        slots = source.texts("slots", most=20)
        if any(slot not in FIRST_SLOTS for slot in slots):
            raise BadValue("unknown slot", pointer=source.at("slots"))
        return cls(
            Requirements(
                version=source.integer("version", 1, 1_000_000),
                risk=source.one_of("risk", tuple(Risk)),
                slots=slots,
                assurance=source.one_of("assurance", (USER_VERIFIED,)),
                decide_within_s=source.integer("decide_within_s", 1, 10**9),
                run_within_s=source.integer("run_within_s", 1, 10**9),
                reasons=source.texts("reasons", longest=100_000),
            ),
            source.instant("decide_by"),
        )

    def body(self) -> bytes:
        return encode(self.to_json())

    @property
    def digest(self) -> str:
        return digest(Kind.RULING, self.body())

    @classmethod
    def parse(cls, body: bytes) -> Ruling:
        """Parse a stored ruling. Raises BadInput unless it is canonical and well-formed."""
        ruling = cls.from_json(parse_json(body, max_bytes=MAX_BYTES))
        if ruling.body() != body:
            raise BadValue("the ruling is not canonical")
        return ruling


def rule(
    requirements: Requirements, assessed_at: datetime, *, earlier: Ruling | None = None
) -> Ruling:
    """Make the ruling of an assessment.

    `earlier` is the ruling of the round before. The first ruling sets the deadline; later ones may
    only shorten it.
    """
    decide_by = assessed_at + timedelta(seconds=requirements.decide_within_s)
    if earlier is not None:
        decide_by = min(decide_by, earlier.decide_by)
    return Ruling(requirements, decide_by)


def tightened(old: Ruling, new: Requirements) -> str | None:
    """Return what the new requirements ask for beyond the old ruling; None if nothing."""
    asked = old.requirements
    if not _covers(asked.slots, new.slots):
        return f"slots {', '.join(new.slots)} are needed, {', '.join(asked.slots) or 'none'} were"
    if Risk(new.risk).rank > Risk(asked.risk).rank:
        return f"the risk is {new.risk}, it was {asked.risk}"
    if new.assurance != asked.assurance:
        return f"the assurance is {new.assurance}, it was {asked.assurance}"
    if new.decide_within_s < asked.decide_within_s:
        return f"a decision is due within {new.decide_within_s} s, it was {asked.decide_within_s}"
    if new.run_within_s < asked.run_within_s:
        return f"it must run within {new.run_within_s} s, it was {asked.run_within_s}"
    return None


def _covers(have: tuple[str, ...], need: tuple[str, ...]) -> bool:
    missing_roles = Counter(s for s in need if s != ANY) - Counter(have)
    return not missing_roles and len(have) >= len(need)
