"""Read credentials: for observing at any time, for operating only with a clearance."""

from __future__ import annotations

import re

from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.executors.errors import ClearanceRefused, CredentialUnavailable
from remediation.executors.secret import watch
from remediation.executors.section import Secret

# In an address or in a connection string of PostgreSQL.
_PASSWORD = re.compile(r"(?:://[^/@:]*:|password=)([^@\s]+)")


def for_observing(secret: Secret) -> str:
    """Return a read-only credential. Raises TargetUnobservable if it cannot be read."""
    try:
        return _watched(secret.read())
    except (OSError, ValueError) as error:
        raise TargetUnobservable(f"{secret.file}: {type(error).__name__}") from error


def for_operating(clearance: Clearance, secret: Secret) -> str:
    """Return a credential that can change something.

    Raises ClearanceRefused without a clearance, CredentialUnavailable if it cannot be read.
    """
    refuse_without_clearance(clearance)
    try:
        return _watched(secret.read(clearance))
    except (OSError, ValueError) as error:
        raise CredentialUnavailable(f"{secret.file}: {type(error).__name__}") from error


def refuse_without_clearance(clearance: Clearance) -> None:
    """Raise ClearanceRefused unless this is what the gate hands out."""
    if type(clearance) is not Clearance:
        raise ClearanceRefused("credentials that can change a target need a clearance")


def _watched(text: str) -> str:
    """Note the credential, and the password in an address, for executors/secret.py."""
    watch(text, *_PASSWORD.findall(text))
    return text
