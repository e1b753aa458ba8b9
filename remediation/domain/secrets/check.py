"""Describe how many secrets are masked, and in which artefacts (A61)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from remediation.domain.secrets import detector
from remediation.domain.secrets.detector import Found

_SHOWN = 5


def secrets_said(artefacts: Mapping[str, Found]) -> str:
    """Describe the findings in artefacts without any value; "" if there are none.

    Artefacts are counted: the list of artefacts on the page says which ones.
    """
    kinds: Counter[str] = Counter()
    holding = overfull = 0
    for found in artefacts.values():
        holding += bool(found) or not found.whole
        overfull += not found.whole
        kinds.update(detector.TITLES[one.rule] for one in found.secrets)
    if not holding:
        return ""
    number = kinds.total()
    least = "at least " if overfull else ""
    secrets = f"{least}{number} secret{'' if number == 1 else 's'}"
    where = "1 artefact" if holding == 1 else f"{holding} artefacts"
    return f"{secrets} in {where}: {_listed(kinds)}" if kinds else f"{secrets} in {where}"


def _listed(kinds: Counter[str]) -> str:
    named = [f"{kind} ({number})" if number > 1 else kind for kind, number in kinds.most_common()]
    rest = f" and {len(named) - _SHOWN} more kinds" if len(named) > _SHOWN else ""
    return ", ".join(named[:_SHOWN]) + rest
