"""How a call to a target can fail, sorted by what it leaves behind there."""

from __future__ import annotations

from remediation.domain.errors import Refused


class ClearanceRefused(Refused):
    """The call carries no clearance for this step, or one that has ended."""


class StepFailed(Refused):
    """A step failed."""


class NotApplied(StepFailed):
    """Nothing was changed at the target: it was not reached, or it refused."""


class CredentialUnavailable(NotApplied):
    """A credential for changing the target cannot be read; nothing was changed."""


class PartlyApplied(StepFailed):
    """A part of the change was made, for certain not all of it; it has to be rolled back."""


class OutcomeUnknown(StepFailed):
    """The call was sent and no answer came; only reading the target can tell what it did."""


class VerifyFailed(StepFailed):
    """The change was made, but the target is not in the state that it should lead to."""


class RollbackFailed(StepFailed):
    """The earlier state was not restored, or it is not known to be."""
