"""Selectors and patches, as the simulated Kubernetes of the demo and the tests reads them."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

Object = dict[str, Any]
_SET = re.compile(r"(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s+\((?P<values>[^)]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)")
_EXISTS = re.compile(r"(?P<not>!?)\s*(?P<key>[^\s!=,()]+)")
# The field selectors that each kind of object has, besides its name and namespace.
FIELDS = {
    "secrets": ("type",),
    "pods": ("spec.nodeName", "status.phase", "spec.serviceAccountName"),
}


class BadSelector(ValueError):
    """A selector of a request cannot be read."""


def selects(selector: Mapping[str, Any] | None, labels: Mapping[str, str]) -> bool:
    """Return whether a LabelSelector matches; an empty one matches everything, None nothing."""
    if selector is None:
        return False
    wanted = selector.get("matchLabels") or {}
    every = [labels.get(key) == value for key, value in wanted.items()]
    for each in selector.get("matchExpressions") or ():
        every.append(_expression(each["operator"], labels, each["key"], each.get("values") or ()))
    return all(every)


def _expression(operator: str, labels: Mapping[str, str], key: str, values: Any) -> bool:
    match operator:
        case "In":
            return key in labels and labels[key] in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
    raise BadSelector(f"{operator!r} is not a valid label selector operator")


def query_selects(query: str, labels: Mapping[str, str]) -> bool:
    """Return whether the text of a `labelSelector` matches. Raises BadSelector."""
    return all(_expression(*told) for told in _told(query, labels))


def _told(
    query: str, labels: Mapping[str, str]
) -> Iterator[tuple[str, Mapping[str, str], str, Any]]:
    for part in filter(None, (one.strip() for one in re.split(r",(?![^(]*\))", query))):
        if found := _SET.fullmatch(part):
            values = [value.strip() for value in found["values"].split(",")]
            yield {"in": "In", "notin": "NotIn"}[found["op"]], labels, found["key"], values
        elif found := _EQUAL.fullmatch(part):
            yield "NotIn" if found["op"] == "!=" else "In", labels, found["key"], [found["value"]]
        elif found := _EXISTS.fullmatch(part):
            yield "DoesNotExist" if found["not"] else "Exists", labels, found["key"], ()
        else:
            raise BadSelector("unable to parse requirement")


def fields_select(query: str, plural: str, item: Object) -> bool:
    """Return whether the text of a `fieldSelector` matches. Raises BadSelector."""
    for part in filter(None, query.split(",")):
        found = re.fullmatch(r"([\w.]+)(==|=|!=)(.*)", part)
        known = ("metadata.name", "metadata.namespace", *FIELDS.get(plural, ()))
        if found is None or found[1] not in known:
            raise BadSelector("field label not supported")
        value: Any = item
        for key in found[1].split("."):
            value = value.get(key, "") if isinstance(value, dict) else ""
        if (value == found[3]) is (found[2] == "!="):
            return False
    return True


def merged(old: Any, patch: Any) -> Any:
    """Return the object after a JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    found = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


class PatchFailed(ValueError):
    """An operation of a JSON patch does not fit the object."""


def patched(old: Object, operations: list[Object]) -> Object:
    """Return the object after a JSON patch (RFC 6902): add, replace, remove and test."""
    found = copy.deepcopy(old)
    for each in operations:
        *path, last = [
            one.replace("~1", "/").replace("~0", "~") for one in each["path"].split("/")[1:]
        ]
        holder: Any = found
        try:
            for key in path:
                holder = holder[int(key) if isinstance(holder, list) else key]
            _operate(holder, last, each)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise PatchFailed(f"{each.get('op')} {each.get('path')}") from error
    return found


def _operate(holder: Any, last: str, each: Object) -> None:
    key: Any = last
    if isinstance(holder, list):
        key = len(holder) if last == "-" else int(last)
    match each["op"]:
        case "add" if isinstance(holder, list):
            holder.insert(key, each["value"])
        case "add":
            holder[key] = each["value"]
        case "replace":
            holder[key]
            holder[key] = each["value"]
        case "remove":
            del holder[key]
        case "test" if holder[key] == each["value"]:
            pass
        case _:
            raise PatchFailed(each["op"])
