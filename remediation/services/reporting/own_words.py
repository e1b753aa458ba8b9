"""What an agent may know of an incident that others report too: only what its own rows say (A79).

People see one joint incident. If an agent could tell that from an answer, a compromised one could
raise incidents to learn what others have found, or test guesses of a secret in their evidence.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from remediation.domain.secrets.masking import Masked
from remediation.models import Incident, IncidentReport


@dataclass(frozen=True)
class Told:
    """The part of an answer that is about the incident.

    ``reports`` counts this agent's reports of it. The digest is of the diagnosis with the secrets
    of this report's own artefacts masked; with others' secrets masked too, another may be stored.
    """

    incident: UUID
    is_new: bool
    reports: int
    diagnosis_digest: str
    secrets_found: int


def alias(incident: Incident, agent_id: UUID) -> UUID:
    """Return the incident's id for this agent: the real one only for the agent that opened it.

    Others get one that looks alike, and is the same for each of their reports.
    """
    if incident.agent_id == agent_id:
        return incident.pk
    seed = b"incident\0" + agent_id.bytes + incident.pk.bytes
    return UUID(bytes=sha256(seed).digest()[:16], version=4)


def told(incident: Incident, own: Masked, agent_id: UUID) -> Told:
    """Return what the answer tells the agent; call it before the report is recorded."""
    # Which artefacts are new is not told: their rows name only who brought them first.
    before = IncidentReport.objects.filter(incident=incident, agent_id=agent_id).count()
    return Told(
        incident=alias(incident, agent_id),
        is_new=not before,
        reports=before + 1,
        diagnosis_digest=own.report.diagnosis.digest,
        secrets_found=sum(len(found.secrets) for found in own.found.values()),
    )
