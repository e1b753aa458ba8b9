"""Refusals of a review that cannot be accepted."""

from __future__ import annotations

from remediation.domain.errors.refused import Refused


class ReviewRefused(Refused):
    """The review cannot be accepted."""


class VerdictsDisagree(ReviewRefused):
    """The decision does not follow from the verdicts on diagnosis, scope and action."""


class ReasonRequired(ReviewRefused):
    """Reject and return need a reason from the list and a text of at least ten characters."""


class EvidenceNotOpened(ReviewRefused):
    """A check failed: open every artefact that the diagnosis cites before you approve."""


class NameNotTyped(ReviewRefused):
    """At the highest risk, type the target's name by hand before you approve."""


class SlotNotOpen(ReviewRefused):
    """The slot is filled, not in the ruling, or not one that you may fill."""


class AssessmentStale(ReviewRefused):
    """The assessment is too old to sign; the target must be observed again."""


class PasskeyNeeded(ReviewRefused):
    """This act needs your passkey."""


class SignatureInvalid(ReviewRefused):
    """The passkey's signature does not cover this statement."""
