"""Other proposals on the same targets: what people said before."""

from __future__ import annotations

from remediation.domain.checks.finding import Result, quoted, verdict
from remediation.domain.checks.given import CheckInput


def earlier_rejection(given: CheckInput) -> Result:
    """No earlier proposal on these targets was rejected (A33)."""
    found = [
        f"proposal {earlier.proposal} was rejected"
        + (f": {quoted(earlier.reason)}" if earlier.reason else "")
        for earlier in given.earlier_rejections
    ]
    return verdict(found, "No earlier proposal on these targets was rejected.")
