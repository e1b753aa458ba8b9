"""A recorded review as the gate's evidence holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.fields import Fields
from remediation.domain.gate.signature import Assertion

_MAX_STATEMENT = 8 * 1024 * 1024


@dataclass(frozen=True)
class ReviewEvidence:
    """One recorded review: person, slot, signed statement and assertion."""

    person: str
    slot: str
    statement: str
    assertion: Assertion
    recorded_at: datetime

    def to_json(self) -> dict[str, Json]:
        return {
            "person": self.person,
            "slot": self.slot,
            "statement": self.statement,
            "assertion": self.assertion.to_json(),
            "recorded_at": instant.dump(self.recorded_at),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> ReviewEvidence:
        source = Fields(
            value, at, required=("person", "slot", "statement", "assertion", "recorded_at")
        )
        return cls(
            person=source.text("person", 100, least=1),
            slot=source.text("slot", 100, least=1),
            statement=source.text("statement", _MAX_STATEMENT),
            assertion=Assertion.from_json(source.value("assertion"), source.at("assertion")),
            recorded_at=source.instant("recorded_at"),
        )
