"""Refusals because of the input: it cannot be accepted."""

from __future__ import annotations

from remediation.domain.errors.refused import Refused


class BadInput(Refused):
    """The input cannot be accepted."""


class MalformedJson(BadInput):
    """The input is not JSON in UTF-8."""


class MalformedFile(BadInput):
    """A file is not in the expected format."""


class UnknownField(BadInput):
    """A field is unknown; unknown fields are refused."""


class DuplicateKey(BadInput):
    """A key occurs twice in one object; parsers disagree on which one counts."""


class FloatNotAllowed(BadInput):
    """Numbers must be whole."""


class IntegerTooLarge(BadInput):
    """An integer is beyond 2^53-1, where parsers disagree on its value."""


class LoneSurrogate(BadInput):
    """A text contains half of a surrogate pair."""


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
    """The kind of target is unknown, or the action does not work on it."""


class ProtectedTarget(BadInput):
    """The target belongs to the portal or administers the system that holds it."""


class TwoStepsOneTarget(BadInput):
    """Two steps work on the same target."""


class BadReference(BadInput):
    """A step refers to a value that no earlier step makes."""


class RotationOrder(BadInput):
    """The order of the steps contradicts the order that the plan states."""


class EvidenceDigestMismatch(BadInput):
    """The SHA-256 of an artefact differs from the one that was stated."""


class NotCanonicalPlan(BadInput):
    """The stored plan is not in its canonical form."""


class PasskeyRefused(BadInput):
    """The passkey cannot be enrolled."""


class UnknownFingerprint(BadInput):
    """The person has enrolled no passkey with this fingerprint."""
