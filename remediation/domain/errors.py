"""One class per refusal: its docstring is its message, its name is what goes on record."""

from __future__ import annotations

import re
from enum import StrEnum
from inspect import cleandoc
from typing import ClassVar


class Refused(Exception):
    """Refused."""

    name: ClassVar[str] = "refused"

    def __init__(self, detail: str = "", *, pointer: str = "") -> None:
        """`detail` says what was wrong this time; `pointer` (RFC 6901) where in the input."""
        self.detail = detail
        self.pointer = pointer
        super().__init__(detail)

    def __init_subclass__(cls, name: str = "") -> None:
        cls.name = name or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def message(self) -> str:
        return cleandoc(type(self).__doc__ or "")

    def __str__(self) -> str:
        place = f" at {self.pointer}" if self.pointer else ""
        return f"{self.name}: {self.detail or self.message}{place}"


# --- What was sent cannot be taken -------------------------------------------------------------


class BadInput(Refused):
    """The input cannot be accepted."""


class MalformedJson(BadInput):
    """The input is not JSON in UTF-8."""


class MalformedFile(BadInput):
    """A file cannot be read as what it should be."""


class UnknownField(BadInput):
    """A field is not known here; nothing unknown can be approved."""


class DuplicateKey(BadInput):
    """A key occurs twice in one object; parsers disagree on which one counts."""


class FloatNotAllowed(BadInput):
    """Numbers must be whole."""


class IntegerTooLarge(BadInput):
    """An integer is beyond 2^53-1, where parsers disagree on its value."""


class LoneSurrogate(BadInput):
    """A text holds half of a surrogate pair."""


class TooDeep(BadInput):
    """The input is nested too deeply."""


class TooManyKeys(BadInput):
    """The input has too many keys or items."""


class TooLarge(BadInput):
    """The input is too large."""


class MissingField(BadInput):
    """A field is missing."""


class WrongType(BadInput):
    """A field has the wrong type."""


class BadValue(BadInput):
    """A field has a value that is not allowed."""


class UnknownAction(BadInput):
    """The action is not in the catalogue."""


class UnknownTargetKind(BadInput):
    """The kind of target is not known, or is not the one that the action works on."""


class ProtectedTarget(BadInput):
    """The target belongs to the portal or administers the system that holds it."""


class TwoStepsOneTarget(BadInput):
    """Two steps work on one target."""


class EvidenceDigestMismatch(BadInput):
    """The SHA-256 of an artefact is not the one that was stated."""


class NotCanonicalPlan(BadInput):
    """The stored plan is not in its canonical form."""


class PasskeyRefused(BadInput):
    """The passkey cannot be enrolled."""


class UnknownFingerprint(BadInput):
    """The person enrolled no passkey with this fingerprint."""


# --- Who asks may not --------------------------------------------------------------------------


class AccessRefused(Refused):
    """Access refused."""


class NotAuthenticated(AccessRefused):
    """The caller is not known."""


class TokenExpired(AccessRefused):
    """The token has expired."""


class TokenRevoked(AccessRefused):
    """The token was revoked."""


class AgentDisabled(AccessRefused):
    """The agent is suspended."""


class ProposerLost(AccessRefused):
    """Who proposed to undo this is no longer active or holds no role any more."""


class NotEntitled(AccessRefused):
    """The caller does not hold the right that this needs."""


class Separation(AccessRefused):
    """The person took part in this proposal and may not decide on it."""


class NoSuchObject(AccessRefused):
    """There is no such object, or the caller may not see it."""


class InvitationInvalid(AccessRefused):
    """The one-time code is wrong, used or older than fifteen minutes."""


class RoleConflict(AccessRefused):
    """An account that administers users or agents holds no approver role."""


# --- It is too late, or too early --------------------------------------------------------------


class Conflict(Refused):
    """The object is no longer, or not yet, in a state that allows this."""


class WrongState(Conflict):
    """The object's state does not allow this."""


class StaleDigest(Conflict):
    """What was decided on is no longer what stands."""


class SessionExpired(Conflict):
    """The review session has expired."""


class SessionUsed(Conflict):
    """The review session was used already."""


class RequestInFlight(Conflict):
    """A request with this idempotency key is being worked on."""


class AlreadyReviewed(Conflict):
    """The person has already reviewed this round."""


class AlreadyExists(Conflict):
    """There is one already."""


class NothingToCorrect(Conflict):
    """The correction says what stands already."""


class InventoryBusy(Conflict):
    """Somebody else is changing the inventory."""


class WouldLoosen(Conflict):
    """The change makes policy ask for less than before, and nobody said that it may."""


class LastPasskey(Conflict):
    """The last passkey of an account stays: without it nobody can sign in."""


class Halted(Conflict):
    """A person halted this run between two steps."""


class IdempotencyKeyMissing(Refused):
    """The Idempotency-Key header is missing or malformed."""


class IdempotencyKeyReused(Refused):
    """The Idempotency-Key was used for another request."""


class Throttled(Refused):
    """Too many requests."""

    def __init__(self, retry_after: int, detail: str = "") -> None:
        """`retry_after` is in seconds."""
        self.retry_after = retry_after
        super().__init__(detail)


# --- A review that cannot stand ----------------------------------------------------------------


class ReviewRefused(Refused):
    """The review cannot be accepted."""


class VerdictsDisagree(ReviewRefused):
    """The decision does not follow from the verdicts on diagnosis, scope and action."""


class ReasonRequired(ReviewRefused):
    """Reject and return need a reason from the list and a text of at least ten characters."""


class EvidenceNotOpened(ReviewRefused):
    """A check failed: every artefact that the diagnosis cites has to be opened before an
    approval."""


class NameNotTyped(ReviewRefused):
    """At the highest risk an approval needs the target's name, typed by hand."""


class SlotNotOpen(ReviewRefused):
    """The slot is not one that the ruling still asks for."""


class AssessmentStale(ReviewRefused):
    """The assessment is too old to sign; the target has to be observed again."""


class SignatureInvalid(ReviewRefused):
    """The passkey's signature does not cover this statement."""


# --- The gate says no --------------------------------------------------------------------------


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
