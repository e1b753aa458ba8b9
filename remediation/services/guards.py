"""Translate a guard's constraint name into a refusal; the only place that does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, IntegrityError

from remediation.domain import errors

REFUSALS: dict[str, type[errors.Refused]] = {
    "proposal_agent": errors.AgentDisabled,
    "transition_edge": errors.WrongState,
    "transition_from": errors.WrongState,
    "transition_review": errors.WrongState,
    "transition_early": errors.WrongState,
    "transition_unverified": errors.WrongState,
    "transition_applied": errors.WrongState,
    "undo_unsigned": errors.WrongState,
    "quorum_not_met": errors.WrongState,
    "quorum_disputed": errors.WrongState,
    "review_state": errors.WrongState,
    "review_deadline": errors.WrongState,
    "review_digest": errors.StaleDigest,
    "review_fresh": errors.AssessmentStale,
    "review_session": errors.NoSuchObject,
    "review_session_expired": errors.SessionExpired,
    "remediation_review_session_id_key": errors.SessionUsed,
    "review_one_for_each_person": errors.AlreadyReviewed,
    "review_narrowed": errors.AlreadyReviewed,
    "remediation_narrowing_session_id_key": errors.SessionUsed,
    "narrowing_reversal": errors.WrongState,
    "narrowing_disputed": errors.WrongState,
    "narrowed_signed": errors.StaleDigest,
    "narrowed_plan": errors.StaleDigest,
    "review_separation": errors.Separation,
    "review_entitlement": errors.NotEntitled,
    "review_slot": errors.SlotNotOpen,
    "agent_disabled": errors.AgentDisabled,
    "proposer_lost": errors.ProposerLost,
    "observation_state": errors.WrongState,
    "seen_again_round": errors.WrongState,
    "seen_again_asked": errors.WrongState,
    "observation_unsigned": errors.PasskeyNeeded,
    "step_up_once": errors.SessionUsed,
    "step_up_expired": errors.SessionExpired,
    "power_unsigned": errors.PasskeyNeeded,
    "power_own": errors.NotEntitled,
    "assessment_round": errors.WrongState,
    "assessment_deadline": errors.WrongState,
    "execution_state": errors.WrongState,
    "remediation_execution_proposal_id_key": errors.WrongState,
    "step_state": errors.WrongState,
    "step_order": errors.WrongState,
    "step_phase_once": errors.WrongState,
    "stale_token": errors.TargetBusy,
    "lease_waiting": errors.TargetBusy,
    "hold_missing": errors.HoldMissing,
    "wait_state": errors.WrongState,
    "wait_order": errors.WrongState,
    "wait_once": errors.WrongState,
    "wait_overdue_once": errors.WrongState,
    "wait_early": errors.WrongState,
    "answer_wait": errors.WrongState,
    "answer_longer": errors.BadValue,
    "answer_unmet": errors.StaleDigest,
    "halted": errors.Halted,
    "halt_state": errors.WrongState,
    "halt_late": errors.WrongState,
    "halt_found": errors.WrongState,
    "halt_reason": errors.ReasonRequired,
    "halt_separation": errors.Separation,
    "halt_entitlement": errors.NotEntitled,
    "halt_digest": errors.StaleDigest,
    "halt_session": errors.NoSuchObject,
    "halt_session_expired": errors.SessionExpired,
    "remediation_halt_session_id_key": errors.SessionUsed,
    "plan_incident": errors.WrongState,
    "plan_diagnosis": errors.WrongState,
    "plan_entitlement": errors.NotEntitled,
    "plan_limit": errors.TooManyPlans,
    "choice_taken": errors.ChoiceTaken,
    "choice_open": errors.WrongState,
    "reversal_of": errors.WrongState,
    "reversal_plan": errors.WrongState,
    "reversal_entitlement": errors.NotEntitled,
    "reversal_separation": errors.Separation,
    "frozen": errors.Frozen,
    "deadline": errors.Deadline,
    "incident_closed": errors.IncidentClosed,
    "incident_from": errors.WrongState,
    "incident_reason": errors.ReasonRequired,
    "incident_outcome": errors.WrongState,
    "incident_look": errors.WrongState,
    "incident_entitlement": errors.NotEntitled,
    "incident_separation": errors.Separation,
    "assignment_state": errors.WrongState,
    "assignment_from": errors.WrongState,
    "assignment_person": errors.NotEntitled,
    "comment_proposal": errors.NoSuchObject,
    "comment_text": errors.BadValue,
    "comment_person": errors.NoSuchObject,
    "comment_asked": errors.NotEntitled,
    "look_state": errors.WrongState,
    "outcome_asked": errors.NotEntitled,
    "outcome_words": errors.BadValue,
    "outcome_answered_once": errors.WrongState,
    "live_identity": errors.NoSuchObject,
    "live_budget": errors.WrongState,
    "invitation_expired": errors.SessionExpired,
    "remediation_invitationuse_invitation_id_key": errors.SessionUsed,
}


@contextmanager
def translated() -> Iterator[None]:
    """Raise the refusal that belongs to a guard's constraint; other errors pass unchanged."""
    try:
        yield
    except IntegrityError as error:
        refusal = REFUSALS.get(constraint(error))
        if refusal is None:
            raise
        raise refusal(detail(error)) from error


def constraint(error: Error) -> str:
    """Return the name of the violated constraint, or ""."""
    diagnostics = getattr(error.__cause__, "diag", None)
    return getattr(diagnostics, "constraint_name", None) or ""


def detail(error: Error) -> str:
    """Return the guard's message without the constraint's name in front."""
    diagnostics = getattr(error.__cause__, "diag", None)
    message = getattr(diagnostics, "message_primary", None) or ""
    name, _, rest = message.partition(": ")
    return rest if name == constraint(error) else ""
