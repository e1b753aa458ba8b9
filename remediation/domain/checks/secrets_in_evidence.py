"""Report secrets in the evidence to the reviewer; every page masks them."""

from __future__ import annotations

from remediation.domain.checks.finding import Outcome, Result
from remediation.domain.checks.given import CheckInput
from remediation.domain.secrets.check import secrets_said


def secret_in_evidence(given: CheckInput) -> Result:
    """Warn if an artefact contains a secret; pages mask it (A61)."""
    said = secrets_said(given.found)
    return (Outcome.WARN, said) if said else (Outcome.PASS, "No secret in the evidence.")
