"""Label selectors of Kubernetes: what they match, and how they are said and sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Labels = Mapping[str, str]


def matches(selector: object, labels: Labels) -> bool:
    """Return whether a LabelSelector matches; an empty one matches every pod.

    An operator that is not known counts as a match: rather too much is shown than too little.
    """
    if not isinstance(selector, Mapping):
        return False
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in wanted.items()) and all(
        _fits(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _fits(each: Mapping[str, Any], labels: Labels) -> bool:
    key, values = each.get("key", ""), each.get("values") or ()
    match each.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    return True


def matches_any(selector: object, sets: Iterable[Labels]) -> bool:
    return any(matches(selector, labels) for labels in sets)


def said(selector: Mapping[str, Any]) -> str:
    """Return a LabelSelector as the text of a `labelSelector`; the same one always reads alike."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    parts = [f"{key}={value}" for key, value in wanted.items()]
    for each in selector.get("matchExpressions") or ():
        key, values = each.get("key", ""), ",".join(sorted(each.get("values") or ()))
        forms = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append(forms.get(each.get("operator", ""), f"{key} ?"))
    return ",".join(sorted(parts))
