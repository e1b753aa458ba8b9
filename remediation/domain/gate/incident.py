"""The incident as the gate's evidence holds it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from audit.tlog.canonical import Json
from remediation.domain import instant
from remediation.domain.fields import Fields
from remediation.domain.states import IncidentState


@dataclass(frozen=True)
class IncidentEvidence:
    """The incident's present state, when it was closed, and when this proposal was recorded."""

    state: str
    closed_at: datetime | None
    proposed_at: datetime

    def to_json(self) -> dict[str, Json]:
        return {
            "state": self.state,
            "closed_at": instant.dump(self.closed_at) if self.closed_at else None,
            "proposed_at": instant.dump(self.proposed_at),
        }

    @classmethod
    def from_json(cls, value: Json, at: str = "") -> IncidentEvidence:
        source = Fields(value, at, required=("state", "closed_at", "proposed_at"))
        closed = source.value("closed_at") is not None
        return cls(
            source.one_of("state", tuple(IncidentState)),
            source.instant("closed_at") if closed else None,
            source.instant("proposed_at"),
        )
