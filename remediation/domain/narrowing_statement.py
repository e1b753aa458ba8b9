"""The statement that a person signs to narrow a plan: what stays, over what was shown.

It is an approval of the narrowed plan too, so it holds the three verdicts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.tlog.canonical import Json, encode
from remediation.domain import instant
from remediation.domain.digest import Digests, Kind, digest
from remediation.domain.errors import BadValue, ReasonRequired, VerdictsDisagree
from remediation.domain.fields import Fields
from remediation.domain.narrowing import Kept
from remediation.domain.plan import MAX_STEPS
from remediation.domain.slots import SLOTS
from remediation.domain.statement import MAX_BYTES, MAX_REASON, MIN_REASON, Verdicts
from remediation.domain.strict import parse as parse_json

TYPE = "hitlportal-narrowing/v1"
_DIGESTS = ("plan", "diagnosis", "scope", "ruling", "pin", "checks")


@dataclass(frozen=True)
class NarrowingStatement:
    """One person's narrowing. Its digest is the passkey's challenge, so every field is signed.

    `proposal`, `round` and `digests` are those of the plan that is narrowed; `narrowed` is the
    digest of the plan that is left, `kept` what it keeps, `makes` the proposal that it becomes.
    """

    proposal: str
    round: int
    digests: Digests
    makes: str
    narrowed: str
    kept: tuple[Kept, ...]
    verdicts: Verdicts
    reason: str
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
            "makes": self.makes,
            "narrowed": self.narrowed,
            "kept": [{"step": k.step, "parameters": dict(k.parameters)} for k in self.kept],
            "verdicts": self.verdicts.to_json(),
            "reason": self.reason,
            "slot": self.slot,
            "person": self.person,
            "nonce": self.nonce,
            "expires": instant.dump(self.expires),
            "rp_id": self.rp_id,
            "origin": self.origin,
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> NarrowingStatement:
        source = Fields(
            value,
            at,
            required=(
                "type", "proposal", "round", *_DIGESTS, "makes", "narrowed", "kept", "verdicts",
                "reason", "slot", "person", "nonce", "expires", "rp_id", "origin",
            ),
        )  # fmt: skip
        source.one_of("type", (TYPE,))
        return cls(
            proposal=source.uuid("proposal"),
            round=source.integer("round", 1, 1_000_000),
            digests=Digests(**{name: source.sha256(name) for name in _DIGESTS}),
            makes=source.uuid("makes"),
            narrowed=source.sha256("narrowed"),
            kept=source.array("kept", _kept, least=1, most=MAX_STEPS),
            verdicts=Verdicts.from_json(source.value("verdicts"), source.at("verdicts")),
            reason=source.text("reason", MAX_REASON),
            slot=source.one_of("slot", SLOTS),
            person=source.uuid("person"),
            nonce=source.text("nonce", 200, least=16),
            expires=source.instant("expires"),
            rp_id=source.text("rp_id", 253, least=1),
            origin=source.text("origin", 300, least=1),
        )

    def body(self) -> bytes:
        return encode(self.to_json())

    @classmethod
    def parse(cls, body: bytes) -> NarrowingStatement:
        """Parse a stored statement. Raises BadInput unless it is canonical and well-formed."""
        statement = cls.from_json(parse_json(body, max_bytes=MAX_BYTES))
        if statement.body() != body:
            raise BadValue("the statement is not canonical")
        return statement

    @property
    def digest(self) -> str:
        return digest(Kind.NARROWING, self.body())

    def challenge(self) -> bytes:
        """Return the 32 bytes that the passkey signs."""
        return bytes.fromhex(self.digest)

    def check_consistent(self) -> None:
        """Raise VerdictsDisagree or ReasonRequired unless it approves the plan that is left."""
        verdicts = self.verdicts
        if not (verdicts.diagnosis and verdicts.scope and verdicts.action):
            raise VerdictsDisagree("leaving something out approves the rest: three times yes")
        if len(self.reason.strip()) < MIN_REASON:
            raise ReasonRequired(f"the text needs {MIN_REASON} characters")


def _kept(value: Json, at: str) -> Kept:
    source = Fields(value, at, required=("step", "parameters"))
    return Kept(source.integer("step", 0, MAX_STEPS - 1), source.mapping("parameters"))
