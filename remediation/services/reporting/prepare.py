"""Search and mask a report before its transaction: that takes time, and nobody must wait for it.

The incident is looked up without a lock. `submit.report` asks again under its lock, and what was
prepared counts only if the incident still has the same evidence (docs/attacks.md A83).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from remediation.domain.report import Report
from remediation.domain.secrets import masking
from remediation.domain.states import IncidentState
from remediation.models import Incident
from remediation.services.reporting import secrets

# The incident and its newest artefact, by which a later look knows whether others came between.
Seen = tuple[UUID | None, int | None]


@dataclass(frozen=True)
class Prepared:
    """A masked report: as it is stored, and as far as this report's own secrets go (A79)."""

    masked: masking.Masked
    own: masking.Masked
    external_id: str
    seen: Seen


def prepare(report: Report, agent_id: UUID) -> Prepared:
    """Search the report's artefacts, and mask its texts by them and by the incident's evidence."""
    exempt = secrets.exempt(masking.targets_of(report))
    searched = masking.searched(report, exempt)
    external_id = searched.external_id
    # A name that is masked as a whole names nothing.
    external_id = "" if external_id == masking.MASK else external_id
    incident = same_incident(report, external_id, agent_id)
    seen = state_of(incident)
    known = secrets.known_values(incident) - exempt if incident else frozenset[str]()
    own = masking.mask_report(searched)
    masked = masking.mask_report(searched, known) if known - searched.secrets else own
    return Prepared(masked, own, external_id, seen)


def state_of(incident: Incident | None) -> Seen:
    """Return by what a prepared report is recognised as outdated."""
    if incident is None:
        return None, None
    return incident.pk, incident.evidence.order_by("-pk").values_list("pk", flat=True).first()


def same_incident(report: Report, external_id: str, agent_id: UUID) -> Incident | None:
    """Return the open incident that the report is about, of whichever agent."""
    reported = report.incident
    # Never moved, or open again.
    alive = Incident.objects.filter(listed__state=IncidentState.OPEN)
    if external_id:
        found = alive.filter(agent_id=agent_id, external_id=external_id).first()
        if found is not None:
            return found
    return (
        alive.filter(kind=reported.kind, locator=reported.identity.locator)
        .order_by("recorded_at")
        .first()
    )
