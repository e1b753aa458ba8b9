"""The failures of calls to targets, by what they leave at the target."""

from __future__ import annotations

from collections.abc import Mapping

from remediation.domain.errors import Refused


class ClearanceRefused(Refused):
    """The call has no clearance for this step, or its clearance has ended."""


class StepFailed(Refused):
    """A step failed."""


class NotApplied(StepFailed):
    """Nothing was changed at the target: it was not reached, or it refused."""


class CredentialUnavailable(NotApplied):
    """A credential for changing the target cannot be read; nothing was changed."""


class PartlyApplied(StepFailed):
    """Only a part of the change was made; it must be rolled back."""

    def __init__(self, detail: str = "", *, made: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        # What the step made for later steps (ActionSpec.makes), as far as it is known.
        self.made: Mapping[str, str] = made or {}


class OutcomeUnknown(StepFailed):
    """The call was sent but not answered; only reading the target can show its effect."""


class VerifyFailed(StepFailed):
    """The change was made, but the target is not in the expected state."""


class RollbackFailed(StepFailed):
    """The earlier state was not restored, or this is unknown."""
