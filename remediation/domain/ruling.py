"""The ruling: the approvals that a plan needs before it may run, and their deadline."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.holds import Hold, Mode
from remediation.domain.plan import MAX_STEPS
from remediation.domain.slots import FIRST_SLOTS, OWNERS, SLOTS, Owner, covers
from remediation.domain.strict import parse as parse_json

# Room for the names of all services of a scope, which the owners' slots may name.
MAX_BYTES = 4 * 1024 * 1024
# From this version on a ruling names the owners that it asks.
NAMES_OWNERS = 2

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
    # Whom each owner's slot asks; none before version 2.
    owners: tuple[Owner, ...] = ()
    # Where the run waits, in the order of the steps; recorded only where there is one.
    holds: tuple[Hold, ...] = ()
    mode: Mode = Mode.EVERY_PROPOSAL


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
    def owners(self) -> tuple[Owner, ...]:
        return self.requirements.owners

    @property
    def holds(self) -> tuple[Hold, ...]:
        return self.requirements.holds

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
            **(
                {"owners": [owner.to_json() for owner in asked.owners]}
                if asked.version >= NAMES_OWNERS
                else {}
            ),
            **({"holds": [hold.to_json() for hold in asked.holds]} if asked.holds else {}),
            **({"mode": asked.mode.value} if asked.mode is not Mode.EVERY_PROPOSAL else {}),
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
            optional=("owners", "holds", "mode"),
        )  # fmt: skip
        version = source.integer("version", 1, 1_000_000)
        if ("owners" in source) != (version >= NAMES_OWNERS):
            raise BadValue("version 1 names no owners, later ones do", pointer=source.at("owners"))
        slots, owners = _slots(source, version)
        return cls(
            Requirements(
                version=version,
                risk=source.one_of("risk", tuple(Risk)),
                slots=slots,
                assurance=source.one_of("assurance", (USER_VERIFIED,)),
                decide_within_s=source.integer("decide_within_s", 1, 10**9),
                run_within_s=source.integer("run_within_s", 1, 10**9),
                reasons=source.texts("reasons", longest=100_000),
                owners=owners,
                holds=_held(source),
                mode=_mode(source),
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


def _slots(source: Fields, version: int) -> tuple[tuple[str, ...], tuple[Owner, ...]]:
    """Read the slots, and whom the owners' slots among them ask: exactly one entry for each."""
    slots = source.texts("slots", most=20)
    known = SLOTS if version >= NAMES_OWNERS else FIRST_SLOTS
    if any(slot not in known for slot in slots):
        raise BadValue("unknown slot", pointer=source.at("slots"))
    owners = source.array("owners", Owner.from_json, most=len(OWNERS)) if "owners" in source else ()
    if [slot for slot in slots if slot in OWNERS] != [owner.slot for owner in owners]:
        raise BadValue("an entry for each owner's slot, in order", pointer=source.at("owners"))
    return slots, owners


def _held(source: Fields) -> tuple[Hold, ...]:
    if "holds" not in source:
        return ()
    holds = source.array("holds", Hold.from_json, least=1, most=MAX_STEPS)
    steps = [hold.step for hold in holds]
    if steps != sorted(set(steps)):
        raise BadValue("one hold after a step, in their order", pointer=source.at("holds"))
    return holds


def _mode(source: Fields) -> Mode:
    if "mode" not in source:
        return Mode.EVERY_PROPOSAL
    return Mode(source.one_of("mode", (Mode.EVERY_STEP,)))


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
    if not covers((asked.slots, asked.owners), (new.slots, new.owners)):
        return f"slots {_listed(new)} are needed, {_listed(asked) if asked.slots else 'none'} were"
    if Risk(new.risk).rank > Risk(asked.risk).rank:
        return f"the risk is {new.risk}, it was {asked.risk}"
    if new.assurance != asked.assurance:
        return f"the assurance is {new.assurance}, it was {asked.assurance}"
    if new.decide_within_s < asked.decide_within_s:
        return f"a decision is due within {new.decide_within_s} s, it was {asked.decide_within_s}"
    if new.run_within_s < asked.run_within_s:
        return f"it must run within {new.run_within_s} s, it was {asked.run_within_s}"
    return _asks_more_often(asked, new)


def _asks_more_often(asked: Requirements, new: Requirements) -> str | None:
    """Return what the new holds ask for beyond the old ones of the same plan."""
    if new.mode is Mode.EVERY_STEP and asked.mode is not Mode.EVERY_STEP:
        return "a person is asked after each step, which was not so"
    had = {hold.step: hold for hold in asked.holds}
    for hold in new.holds:
        before = had.get(hold.step)
        if before is None or (hold.person and not before.person):
            return f"it waits after step {hold.step + 1}, which it did not"
        if hold.within_s < before.within_s:
            return (
                f"it waits {hold.within_s} s after step {hold.step + 1}, it was {before.within_s}"
            )
    return None


def _listed(asked: Requirements) -> str:
    teams = {owner.slot: f"{owner.slot} ({owner.team})" for owner in asked.owners}
    return ", ".join(teams.get(slot, slot) for slot in asked.slots)
