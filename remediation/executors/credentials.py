"""Read credentials: for observing at any time, for operating only with a clearance."""

from __future__ import annotations

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import ClearanceRefused, CredentialUnavailable
from remediation.executors.section import Secret


def for_observing(secret: Secret) -> str:
    """Return a read-only credential. Raises TargetUnobservable if it cannot be read."""
    try:
        return secret.read()
    except (OSError, ValueError) as error:
        raise TargetUnobservable(f"{secret.file}: {type(error).__name__}") from error


def for_operating(clearance: Clearance, secret: Secret) -> str:
    """Return a credential that can change something.

    Raises ClearanceRefused without a clearance, CredentialUnavailable if it cannot be read.
    """
    if type(clearance) is not Clearance:
        raise ClearanceRefused("credentials that can change a target need a clearance")
    try:
        return secret.read()
    except (OSError, ValueError) as error:
        raise CredentialUnavailable(f"{secret.file}: {type(error).__name__}") from error
