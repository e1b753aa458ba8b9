"""Describe how many secrets are masked, and in which artefacts (A61)."""

from __future__ import annotations

from collections.abc import Mapping

from remediation.domain.secrets import detector
from remediation.domain.secrets.detector import Found

_SHOWN = 5


def secrets_said(artefacts: Mapping[str, Found]) -> str:
    """Describe the findings in artefacts (by SHA-256) without any value; "" if there are none."""
    said = []
    for sha256, found in sorted(artefacts.items()):
        if not found.whole:
            said.append(f"artefact {sha256[:12]} holds more than {detector.MOST} secrets")
        elif found:
            kinds = dict.fromkeys(detector.TITLES[one.rule] for one in found.secrets)
            count = len(found.secrets)
            said.append(
                f"artefact {sha256[:12]} holds {count} secret{'' if count == 1 else 's'}:"
                f" {', '.join(kinds)}"
            )
    rest = f"; and {len(said) - _SHOWN} more artefacts" if len(said) > _SHOWN else ""
    return "; ".join(said[:_SHOWN]) + rest
