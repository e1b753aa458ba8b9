"""Search and mask a report before its transaction: that takes time, and nobody must wait for it.

The incident is looked up without a lock. `submit.report` asks again under its lock, and what was
prepared counts only if the incident still has the same evidence (docs/attacks.md A83).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from remediation.domain.report import Report
from remediation.domain.secrets import masking
from remediation.domain.states import IncidentState
from remediation.models import Incident
from remediation.reading import child
from remediation.reading.here import About, Here, Reading, Rules
from remediation.services.reporting import secrets

# A larger report is read in a child process. Up to here the search takes 12 ms, which no page
# notices, and the ordinary report is as quick as without a child.
SMALL = 32 * 1024

# The incident and its newest artefact, by which a later look knows whether others came between.
Seen = tuple[UUID | None, int | None]


@dataclass(frozen=True)
class Prepared:
    """A masked report: as it is stored, and as far as this report's own secrets go (A79)."""

    masked: masking.Masked
    own: masking.Masked
    external_id: str
    seen: Seen
    # Makes it again, of the same bytes; None for a report that was read in this process.
    again: Callable[[], Prepared] | None = None


def prepare(report: Report, agent_id: UUID) -> Prepared:
    """Search the report's artefacts, and mask its texts by them and by the incident's evidence."""
    return _prepared(Here(report), agent_id)


def prepare_apart(raw: bytes, agent_id: UUID, rules: Rules) -> Prepared:
    """Parse, search and mask a large report in a child process.

    Raises BadInput as parsing does, TooLarge when it costs too much, and child.Failed.
    """
    with child.read(raw, rules) as reading:
        again = partial(prepare_apart, raw, agent_id, rules)
        return _prepared(reading, agent_id, again)


def _prepared(
    reading: Reading, agent_id: UUID, again: Callable[[], Prepared] | None = None
) -> Prepared:
    exempt = secrets.exempt(reading.targets)
    external_id = reading.search(exempt)
    # A name that is masked as a whole names nothing.
    external_id = "" if external_id == masking.MASK else external_id
    incident = _incident_of(reading.about, external_id, agent_id)
    seen = state_of(incident)
    known = secrets.known_values(incident) - exempt if incident else frozenset[str]()
    masked, own = reading.mask(known)
    return Prepared(masked, own, external_id, seen, again)


def state_of(incident: Incident | None) -> Seen:
    """Return by what a prepared report is recognised as outdated."""
    if incident is None:
        return None, None
    return incident.pk, incident.evidence.order_by("-pk").values_list("pk", flat=True).first()


def same_incident(report: Report, external_id: str, agent_id: UUID) -> Incident | None:
    """Return the open incident that the report is about, of whichever agent."""
    return _incident_of(About.of(report), external_id, agent_id)


def _incident_of(about: About, external_id: str, agent_id: UUID) -> Incident | None:
    # Never moved, or open again.
    alive = Incident.objects.filter(listed__state=IncidentState.OPEN)
    if external_id:
        found = alive.filter(agent_id=agent_id, external_id=external_id).first()
        if found is not None:
            return found
    return alive.filter(kind=about.kind, locator=about.locator).order_by("recorded_at").first()
