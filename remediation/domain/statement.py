"""The statement that a person signs: verdicts and a decision over the digests of what was shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.digest import Digests, Kind, digest
from remediation.domain.errors import BadValue, ReasonRequired, VerdictsDisagree
from remediation.domain.fields import Fields
from remediation.domain.slots import SLOTS
from remediation.domain.strict import parse as parse_json

TYPE = "hitlportal-review/v1"
MAX_BYTES = 32 * 1024
MAX_REASON = 4_000
MIN_REASON = 10


class Decision(StrEnum):
    APPROVE = "approve"
    REJECT = "reject"
    RETURN = "return"


OTHER = "other"
REJECT_REASONS: dict[str, str] = {
    "diagnosis_wrong": "The diagnosis is wrong",
    "evidence_insufficient": "The evidence does not carry the diagnosis",
    "scope_too_wide": "It would reach too much",
    "action_wrong": "The action does not fit the incident",
    "handled_otherwise": "It is being handled in another way",
    "suspected_manipulation": "The report looks manipulated",
    OTHER: "Another reason",
}

# Of a choice: it ends the other alternatives, too (services/reporting/end_alternatives.py).
NONE_OF_THEM = "none_of_them"
RETURN_REASONS: dict[str, str] = {
    "evidence_missing": "Evidence is missing",
    "diagnosis_unclear": "The diagnosis is not clear",
    "scope_unclear": "The scope is not clear",
    "action_unclear": "The action is not clear",
    "timing": "This is not the time for it",
    NONE_OF_THEM: "None of the offered plans fits",
    OTHER: "Another reason",
}

_REASONS = {
    Decision.APPROVE: {"": ""},
    Decision.REJECT: REJECT_REASONS,
    Decision.RETURN: RETURN_REASONS,
}


# How long a composed statement can be signed, with the tolerance that SQL has (`sql/review.sql`).
LIFE = timedelta(minutes=5, seconds=5)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Whether the diagnosis is right, the scope acceptable, and the action the right one."""

    diagnosis: bool
    scope: bool
    action: bool

    def to_json(self) -> dict[str, Json]:
        return {
            "diagnosis": _yes_no(self.diagnosis),
            "scope": _yes_no(self.scope),
            "action": _yes_no(self.action),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Verdicts:
        source = Fields(value, at, required=("diagnosis", "scope", "action"))
        return cls(
            *(
                source.one_of(name, ("yes", "no")) == "yes"
                for name in ("diagnosis", "scope", "action")
            )
        )


@dataclass(frozen=True, slots=True)
class Reason:
    """The reason of a dissent: a code from the decision's list, and free text."""

    code: str
    text: str

    def to_json(self) -> dict[str, Json]:
        return {"code": self.code, "text": self.text}

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Reason:
        source = Fields(value, at, required=("code", "text"))
        return cls(source.text("code", 100), source.text("text", MAX_REASON))


@dataclass(frozen=True)
class Statement:
    """One person's review. Its digest is the passkey's challenge, so every field is signed."""

    proposal: str
    round: int
    digests: Digests
    decision: Decision
    verdicts: Verdicts
    reason: Reason
    slot: str
    person: str
    nonce: str
    expires: datetime
    rp_id: str
    origin: str

    def to_json(self) -> dict[str, Json]:
        return {
            "type": TYPE,
            "proposal": self.proposal,
            "round": self.round,
            "plan": self.digests.plan,
            "diagnosis": self.digests.diagnosis,
            "scope": self.digests.scope,
            "ruling": self.digests.ruling,
            "pin": self.digests.pin,
            "checks": self.digests.checks,
            "decision": self.decision.value,
            "verdicts": self.verdicts.to_json(),
            "reason": self.reason.to_json(),
            "slot": self.slot,
            "person": self.person,
            "nonce": self.nonce,
            "expires": instant.dump(self.expires),
            "rp_id": self.rp_id,
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> Statement:
        source = Fields(
            value,
            at,
            required=(
                "type", "proposal", "round", "plan", "diagnosis", "scope", "ruling", "pin",
                "checks", "decision", "verdicts", "reason", "slot", "person", "nonce", "expires",
                "rp_id", "origin",
            ),
        )  # fmt: skip
        source.one_of("type", (TYPE,))
        return cls(
            proposal=source.uuid("proposal"),
            round=source.integer("round", 1, 1_000_000),
            digests=Digests(
                **{
                    name: source.sha256(name)
                    for name in ("plan", "diagnosis", "scope", "ruling", "pin", "checks")
                }
            ),
            decision=Decision(source.one_of("decision", tuple(Decision))),
            verdicts=Verdicts.from_json(source.value("verdicts"), source.at("verdicts")),
            reason=Reason.from_json(source.value("reason"), source.at("reason")),
            slot=source.one_of("slot", SLOTS),
            person=source.uuid("person"),
            # 16 random bytes or more, in the portal's own text form.
            nonce=source.text("nonce", 200, least=16),
            expires=source.instant("expires"),
            rp_id=source.text("rp_id", 253, least=1),
            origin=source.text("origin", 300, least=1),
        )

    def body(self) -> bytes:
        return encode(self.to_json())

    @classmethod
    def parse(cls, body: bytes) -> Statement:
        """Parse a stored statement. Raises BadInput unless it is canonical and well-formed."""
        statement = cls.from_json(parse_json(body, max_bytes=MAX_BYTES))
        if statement.body() != body:
            raise BadValue("the statement is not canonical")
        return statement

    @property
    def digest(self) -> str:
        return digest(Kind.STATEMENT, self.body())

    def challenge(self) -> bytes:
        """Return the 32 bytes that the passkey signs."""
        return bytes.fromhex(self.digest)

    def check_consistent(self) -> None:
        """Raise VerdictsDisagree or ReasonRequired unless verdicts and reason fit the decision."""
        verdicts = self.verdicts
        if verdicts.action and not (verdicts.diagnosis and verdicts.scope):
            raise VerdictsDisagree("the action cannot be right while diagnosis or scope is not")
        if self.decision is Decision.APPROVE and not verdicts.action:
            raise VerdictsDisagree("an approval needs three times yes")
        if self.reason.code not in _REASONS[self.decision]:
            raise ReasonRequired(f"{self.reason.code!r} is not a reason to {self.decision}")
        if self.decision is Decision.APPROVE:
            return
        if len(self.reason.text.strip()) < MIN_REASON:
            raise ReasonRequired(f"the text needs {MIN_REASON} characters")


def _yes_no(verdict: bool) -> str:
    return "yes" if verdict else "no"
