"""Refusals of a review that cannot stand."""

from __future__ import annotations

from remediation.domain.errors.refused import Refused


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
