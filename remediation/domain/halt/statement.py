"""The statement that a person signs about a run: stop and keep, stop and undo, or settled by hand.

Version 1 knew one decision, a halt that rolls back what was applied. Version 3 is about a run that
waits: go on, or wait longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.conditions import Sighting
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.plan import MAX_STEPS, Plan
from remediation.domain.strict import parse as parse_json
from remediation.domain.waits import MOST_CONDITIONS, MOST_WAIT_S

V1, V2, V3 = "hitlportal-halt/v1", "hitlportal-halt/v2", "hitlportal-halt/v3"
MAX_BYTES = 32 * 1024
MIN_REASON, MAX_REASON = 10, 500


class RunDecision(StrEnum):
    """What a person decides about a run."""

    HALT = "halt"  # version 1: stop and roll back. New statements never say it.
    KEEP = "keep"  # begin no further step; what was applied stays
    UNDO = "undo"  # begin no further step, and undo what was applied
    SETTLE = "settle"  # a person has settled it by hand
    GO_ON = "go_on"  # the wait ends: go on with the next step
    LONGER = "longer"  # wait longer for the conditions, or for a person

    @property
    def undoes(self) -> bool:
        return self in (RunDecision.HALT, RunDecision.UNDO)

    @property
    def halts(self) -> bool:
        """Return whether it stops the run; settling by hand is about a run that does not go on."""
        return self is not RunDecision.SETTLE and not self.waits

    @property
    def waits(self) -> bool:
        """Return whether it is about a run that waits, and neither stops nor undoes it."""
        return self in (RunDecision.GO_ON, RunDecision.LONGER)


def seen_digest(sightings: Sequence[Sighting], record: Mapping[str, Json]) -> str:
    """Return the digest of what the page of a waiting run showed: the last look, and the record of
    the step before the wait."""
    body: Json = {"sightings": [one.to_json() for one in sightings], "record": dict(record)}
    return digest(Kind.SEEN, encode(body))


class Found(StrEnum):
    """What people say that they found at the target of an unknown step; "" for a stopped run."""

    NOTHING_SAID = ""
    APPLIED = "applied"
    NOT_APPLIED = "not_applied"


@dataclass(frozen=True, slots=True)
class RollbackStep:
    """A step to roll back if it was applied; ``by`` is null if no action reverses it."""

    step: int
    target: str
    by: str | None

    def to_json(self) -> dict[str, Json]:
        return {"step": self.step, "target": self.target, "by": self.by}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> RollbackStep:
        source = Fields(value, at, required=("step", "target", "by"))
        by = None if source.value("by") is None else source.text("by", 100, least=1)
        return cls(source.integer("step", 0, MAX_STEPS), source.text("target", 400, least=1), by)


def rolled_back_steps(plan: Plan) -> tuple[RollbackStep, ...]:
    """Return the steps that a halt of version 1 rolls back: all but the last one, last first."""
    return undone_steps(plan)[1:]


def undone_steps(plan: Plan) -> tuple[RollbackStep, ...]:
    """Return every step of the plan in the order of undoing.

    Of these, only the steps that are applied when the undoing begins are undone. The last step is
    among them: the run can be undone while that step is being confirmed, and after it stopped.
    """
    return tuple(
        RollbackStep(step.index, step.target.locator, step.rollback)
        for step in reversed(plan.steps)
    )


def signed_steps(decision: RunDecision, plan: Plan) -> tuple[RollbackStep, ...]:
    """Return the steps that a statement with this decision must name for this plan."""
    if decision is RunDecision.HALT:
        return rolled_back_steps(plan)
    return undone_steps(plan) if decision is RunDecision.UNDO else ()


_DECISIONS = {
    V1: (RunDecision.HALT,),
    V2: (RunDecision.KEEP, RunDecision.UNDO, RunDecision.SETTLE),
    V3: (RunDecision.GO_ON, RunDecision.LONGER),
}
_COMMON = (
    "type", "decision", "proposal", "round", "plan", "reason", "person", "nonce", "expires",
    "rp_id", "origin",
)  # fmt: skip
_FIELDS = {
    V1: (*_COMMON, "takes_back"),
    V2: (*_COMMON, "takes_back", "found"),
    V3: (*_COMMON, "step", "seen", "unmet", "longer_s"),
}
LEAST_LONGER_S = 60


@dataclass(frozen=True)
class HaltStatement:
    """What one person signs about a run. Its digest is the passkey's challenge.

    Its own type and digest kind exclude that its signature is used for a review, or the reverse.
    The steps to undo are those of the whole plan, because the run goes on while the person uses
    the passkey. The decision `halt` belongs to version 1, which is still read and verified.
    """

    decision: RunDecision
    proposal: str
    round: int
    plan: str
    takes_back: tuple[RollbackStep, ...]
    reason: str
    person: str
    nonce: str
    expires: datetime
    rp_id: str
    origin: str
    found: Found = Found.NOTHING_SAID
    # Version 3: the step before the wait, the digest of what the page showed, the conditions that
    # are not met and do not matter to this person, and how much longer to wait.
    step: int = 0
    seen: str = ""
    unmet: tuple[str, ...] = ()
    longer_s: int = 0

    @property
    def type(self) -> str:
        return next(version for version, each in _DECISIONS.items() if self.decision in each)

    def to_json(self) -> dict[str, Json]:
        return {
            "type": self.type,
            "decision": self.decision.value,
            "proposal": self.proposal,
            "round": self.round,
            "plan": self.plan,
            **self._particulars(),
            "reason": self.reason,
            "person": self.person,
            "nonce": self.nonce,
            "expires": instant.dump(self.expires),
            "rp_id": self.rp_id,
            "origin": self.origin,
        }

    def _particulars(self) -> dict[str, Json]:
        if self.decision.waits:
            return {
                "step": self.step,
                "seen": self.seen,
                "unmet": list(self.unmet),
                "longer_s": self.longer_s,
            }
        takes_back: Json = [step.to_json() for step in self.takes_back]
        if self.decision is RunDecision.HALT:
            return {"takes_back": takes_back}
        return {"takes_back": takes_back, "found": self.found.value}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> HaltStatement:
        stated = value.get("type") if isinstance(value, dict) else None
        version = stated if isinstance(stated, str) and stated in _FIELDS else V2
        source = Fields(value, at, required=_FIELDS[version])
        source.one_of("type", (version,))
        made = cls(
            decision=RunDecision(source.one_of("decision", _DECISIONS[version])),
            proposal=source.uuid("proposal"),
            round=source.integer("round", 1, 1_000_000),
            plan=source.sha256("plan"),
            takes_back=source.array("takes_back", RollbackStep.from_json, most=MAX_STEPS)
            if version != V3
            else (),
            reason=source.text("reason", MAX_REASON, least=MIN_REASON),
            person=source.uuid("person"),
            nonce=source.text("nonce", 200, least=16),
            expires=source.instant("expires"),
            rp_id=source.text("rp_id", 253, least=1),
            origin=source.text("origin", 300, least=1),
            found=Found(source.one_of("found", tuple(Found)))
            if version == V2
            else Found.NOTHING_SAID,
        )
        if made.found and made.decision is not RunDecision.SETTLE:
            raise BadValue("only a settlement says what was found", pointer=source.at("found"))
        return made._waiting(source) if version == V3 else made

    def _waiting(self, source: Fields) -> HaltStatement:
        """Return the same with the fields of version 3."""
        longer = self.decision is RunDecision.LONGER
        unmet = source.texts("unmet", most=MOST_CONDITIONS, longest=60)
        if list(unmet) != sorted(set(unmet)):
            raise BadValue("each name once, in order", pointer=source.at("unmet"))
        if longer and unmet:
            raise BadValue("only going on says what is not met", pointer=source.at("unmet"))
        return replace(
            self,
            step=source.integer("step", 0, MAX_STEPS - 1),
            seen=source.sha256("seen"),
            unmet=unmet,
            longer_s=source.integer(
                "longer_s", LEAST_LONGER_S if longer else 0, MOST_WAIT_S if longer else 0
            ),
        )

    def body(self) -> bytes:
        return encode(self.to_json())

    @classmethod
    def parse(cls, body: bytes) -> HaltStatement:
        """Parse a stored statement. Raises BadInput unless it is canonical and well-formed."""
        statement = cls.from_json(parse_json(body, max_bytes=MAX_BYTES))
        if statement.body() != body:
            raise BadValue("the statement is not canonical")
        return statement

    @property
    def digest(self) -> str:
        return digest(Kind.HALT, self.body())

    def challenge(self) -> bytes:
        """Return the 32 bytes that the passkey signs."""
        return bytes.fromhex(self.digest)
