"""Refusals of the gate, and what each leads to."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from remediation.domain.errors.refused import Refused


class Next(StrEnum):
    """Where a refusal of the gate leads (the refusal table)."""

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
    """Policy now asks for more than was asked of the reviewers."""

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


class TargetBusy(GateRefused):
    """Another execution holds the target."""

    next = Next.RETRY


class AuditUnavailable(GateRefused):
    """The audit log cannot be written, or has no signed head yet that covers the approval."""

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
    """What was signed is not what would run, or it cannot be read."""


class Signature(GateRefused):
    """A review's statement or signature does not hold."""


class UnknownApproverKey(GateRefused):
    """A review is signed by a key that the approvers file does not give that role."""

    # Somebody spoiled the round, by mistake or not: that must not end what others may still decide.
    next = Next.REVIEW


class Quorum(GateRefused):
    """The reviews of the round do not add up to an approval."""


class SeparationOfDuties(GateRefused, name="separation"):
    """One person fills two slots, or may not decide on this proposal."""


class GateAgentDisabled(GateRefused, name="agent_disabled"):
    """The agent that proposed this is suspended."""


class GateProposerLost(GateRefused, name="proposer_lost"):
    """Who proposed to undo this is not active any more, or holds no role."""


class BadInclusion(GateRefused):
    """The audit log does not hold this approval, or is not the log that it was."""


GATE_REASONS: dict[str, type[GateRefused]] = {
    reason.name: reason
    for reason in (
        Drift, TargetGone, RulingTightened, ReviewerLost,
        Frozen, TargetUnobservable, TargetBusy, AuditUnavailable, PolicyUnavailable, ClockSkew,
        Deadline,
        Digest, Signature, UnknownApproverKey, Quorum, SeparationOfDuties, GateAgentDisabled,
        GateProposerLost, BadInclusion,
    )
}  # fmt: skip
