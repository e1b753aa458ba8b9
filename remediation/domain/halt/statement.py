"""The statement that a person signs to halt a run: the run, and the steps to roll back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.digest import Kind, digest
from remediation.domain.errors import BadValue
from remediation.domain.fields import Fields
from remediation.domain.plan import MAX_STEPS, Plan
from remediation.domain.strict import parse as parse_json

TYPE = "hitlportal-halt/v1"
DECISION = "halt"
MAX_BYTES = 32 * 1024
MIN_REASON, MAX_REASON = 10, 500


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
    """Return the steps that a halt can roll back, in the order of rollback.

    Of these, only the steps that were applied when the halt takes effect are rolled back. The last
    step is not among them: once it has begun, nothing is left to halt.
    """
    return tuple(
        RollbackStep(step.index, step.target.locator, step.rollback)
        for step in reversed(plan.steps[:-1])
    )


@dataclass(frozen=True)
class HaltStatement:
    """One person's halt. Its digest is the passkey's challenge, so every field is signed.

    Its own type and digest kind exclude that its signature is used for a review, or the reverse.
    The steps to roll back are those of the whole plan, because the run goes on while the person
    uses the passkey.
    """

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

    def to_json(self) -> dict[str, Json]:
        return {
            "type": TYPE,
            "decision": DECISION,
            "proposal": self.proposal,
            "round": self.round,
            "plan": self.plan,
            "takes_back": [step.to_json() for step in self.takes_back],
            "reason": self.reason,
            "person": self.person,
            "nonce": self.nonce,
            "expires": instant.dump(self.expires),
            "rp_id": self.rp_id,
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> HaltStatement:
        source = Fields(
            value,
            at,
            required=(
                "type", "decision", "proposal", "round", "plan", "takes_back", "reason", "person",
                "nonce", "expires", "rp_id", "origin",
            ),
        )  # fmt: skip
        source.one_of("type", (TYPE,))
        source.one_of("decision", (DECISION,))
        return cls(
            proposal=source.uuid("proposal"),
            round=source.integer("round", 1, 1_000_000),
            plan=source.sha256("plan"),
            takes_back=source.array("takes_back", RollbackStep.from_json, most=MAX_STEPS),
            reason=source.text("reason", MAX_REASON, least=MIN_REASON),
            person=source.uuid("person"),
            nonce=source.text("nonce", 200, least=16),
            expires=source.instant("expires"),
            rp_id=source.text("rp_id", 253, least=1),
            origin=source.text("origin", 300, least=1),
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
