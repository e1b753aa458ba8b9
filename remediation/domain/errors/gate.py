"""Refusals of the gate, and what happens to the proposal after each."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from remediation.domain.errors.refused import Refused


class Next(StrEnum):
    """What happens to the proposal after a refusal of the gate."""

    REVIEW = "review"  # back to in_review, a new round, with a new assessment
    RETRY = "retry"  # stays approved; back-off until the run deadline
    EXPIRE = "expire"  # expired
    REFUSE = "refuse"  # refused, alarm, never retried


class GateRefused(Refused):
    """The gate refused."""

    next: ClassVar[Next] = Next.REFUSE


class Drift(GateRefused):
    """The target is no longer in the state that was approved."""

    next = Next.REVIEW


class TargetGone(GateRefused):
    """The target does not exist."""

    next = Next.REVIEW


class RulingTightened(GateRefused):
    """Policy now asks for more than the ruling that the reviewers signed."""

    next = Next.REVIEW


class ReviewerLost(GateRefused):
    """Someone who approved is no longer active or no longer holds the role."""

    next = Next.REVIEW


class Frozen(GateRefused):
    """Execution is frozen."""

    next = Next.RETRY


class TargetUnobservable(GateRefused):
    """The target cannot be observed."""

    next = Next.RETRY


class HoldMissing(GateRefused):
    """A wait before this step has not ended: a condition is not met, or no person said go on."""

    next = Next.RETRY


class TargetBusy(GateRefused):
    """Another run holds the target."""

    next = Next.RETRY


class NotServed(GateRefused):
    """This worker does not serve the environment of the plan or of its targets."""

    next = Next.RETRY


class AuditUnavailable(GateRefused):
    """The audit log cannot be written, or no signed head covers the approval yet."""

    next = Next.RETRY


class PolicyUnavailable(GateRefused):
    """Policy or the approvers file cannot be read."""

    next = Next.RETRY


class ClockSkew(GateRefused):
    """The clocks of the worker and the database differ by more than two seconds."""

    next = Next.RETRY


class Deadline(GateRefused):
    """A deadline has passed."""

    next = Next.EXPIRE


class Digest(GateRefused):
    """What would run differs from what was signed, or cannot be read."""


class NotNarrower(GateRefused):
    """A plan marked as narrowed does something that the earlier plan did not."""


class Signature(GateRefused):
    """A review's statement or signature is invalid."""


class UnknownApproverKey(GateRefused):
    """A review is signed with a key that the approvers file does not list for that role."""

    # One bad review, by mistake or not, must not end a proposal that others may still decide.
    next = Next.REVIEW


class Quorum(GateRefused):
    """The reviews of the round do not add up to an approval."""


class SeparationOfDuties(GateRefused, name="separation"):
    """One person fills two slots, or a reviewer may not decide on this proposal."""


class GateAgentDisabled(GateRefused, name="agent_disabled"):
    """The agent that proposed this is suspended."""


class GateProposerLost(GateRefused, name="proposer_lost"):
    """The proposer of this reversal is no longer active or no longer holds a role."""


class IncidentClosed(GateRefused):
    """The incident is closed; only a reversal that was proposed after that may run."""


class BadInclusion(GateRefused):
    """The audit log does not contain this approval, or does not continue the log seen before."""


GATE_REASONS: dict[str, type[GateRefused]] = {
    reason.name: reason
    for reason in (
        Drift, TargetGone, RulingTightened, ReviewerLost,
        Frozen, TargetUnobservable, HoldMissing, TargetBusy, NotServed, AuditUnavailable,
        PolicyUnavailable, ClockSkew, Deadline,
        Digest, NotNarrower, Signature, UnknownApproverKey, Quorum, SeparationOfDuties,
        GateAgentDisabled, GateProposerLost, IncidentClosed, BadInclusion,
    )
}  # fmt: skip
