"""Find what to look for: the step that acts, or could act, on an incident's own identity."""

from __future__ import annotations

from remediation.domain.catalogue import ACTIONS
from remediation.domain.containment import own_step
from remediation.domain.errors import BadInput
from remediation.domain.plan import Step, Target
from remediation.domain.report import load_diagnosis
from remediation.domain.states import IncidentState, ProposalState
from remediation.models import Incident, Proposal
from remediation.services.load_plan import read_plan

# Runs and diagnoses of an incident that are searched, the newest first.
MOST = 20


def subject(incident: Incident) -> tuple[Proposal | None, Step | None]:
    """Return the run and its step on the incident's identity that takes access away.

    First the run that contained the incident, then its newest run. Where none acted on the identity
    the step is that of an action of the catalogue, and the run None. Without such an action both
    are None.
    """
    contained = (
        incident.transitions.filter(to_state=IncidentState.CONTAINED, proposal__isnull=False)
        .select_related("proposal")
        .order_by("-id")
        .first()
    )
    runs = incident.proposals.filter(execution__isnull=False).order_by("-recorded_at")[:MOST]
    for proposal in [*([contained.proposal] if contained else []), *runs]:
        step = _own_step(proposal, incident.locator) if proposal else None
        if step is not None:
            return proposal, step
    return None, _possible(incident)


def awaits_look(incident: Incident, proposal: Proposal | None) -> bool:
    """Return whether a look may contain the incident: this run of it succeeded, and was seen too
    early, or not everywhere, to contain it by itself.

    Not if the incident moved since, as when a look found access: then a person confirms.
    """
    if proposal is None or proposal.state != ProposalState.SUCCEEDED:
        return False
    end = proposal.transitions.filter(to_state=ProposalState.SUCCEEDED).order_by("-id").first()
    return end is not None and not incident.transitions.filter(entry__gt=end.entry).exists()


def can_look(incident: Incident) -> bool:
    """Return whether the catalogue has an action that takes access away from the identity."""
    return subject(incident)[1] is not None


def _own_step(proposal: Proposal, locator: str) -> Step | None:
    try:
        step = own_step(read_plan(bytes(proposal.plan)), locator)
    except BadInput:
        return None
    return step if step is not None and step.spec.removes_access else None


def _possible(incident: Incident) -> Step | None:
    """Return a step that would take access away from the identity, as the agents named it."""
    for diagnosis in incident.diagnoses.order_by("-version")[:MOST]:
        try:
            identity = load_diagnosis(bytes(diagnosis.body), allow_test=True).identity
        except BadInput:
            continue
        if identity.locator == incident.locator:
            return _step(identity)
    return None


def _step(target: Target) -> Step | None:
    for spec in ACTIONS.values():
        if spec.target_kind == target.kind and spec.removes_access:
            return Step(0, spec.kind, spec.version, target, {}, spec.rollback)
    return None
