"""Read credentials: those for observing at any time, those for operating with a clearance only."""

from __future__ import annotations

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import ClearanceRefused, CredentialUnavailable
from remediation.executors.section import Secret


def for_observing(secret: Secret) -> str:
    """Raises TargetUnobservable when it cannot be read."""
    try:
        return secret.read()
    except (OSError, ValueError) as error:
        raise TargetUnobservable(f"{secret.file}: {type(error).__name__}") from error


def for_operating(clearance: Clearance, secret: Secret) -> str:
    """Raises ClearanceRefused without a clearance, CredentialUnavailable when it cannot be read."""
    if type(clearance) is not Clearance:
        raise ClearanceRefused("credentials that can change a target need a clearance")
    try:
        return secret.read()
    except (OSError, ValueError) as error:
        raise CredentialUnavailable(f"{secret.file}: {type(error).__name__}") from error
