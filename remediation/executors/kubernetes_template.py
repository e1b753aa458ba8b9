"""A pod template in words: what runs, as whom, with which variables and volumes.

Values of variables are never taken, since they often hold secrets. Commands are masked as evidence
is. What no words are made of still counts: the digest is of the whole template, and `changes` names
every part that differs.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from remediation.domain.secrets.masking import mask_text
from remediation.executors.kubernetes_flows import MOST_SHOWN, cut

HASH = "pod-template-hash"
MOST_DEPTH = 8
_HOST = (
    ("hostNetwork", "in the network of its node"),
    ("hostPID", "sees the processes of its node"),
    ("hostIPC", "shares the memory of its node"),
)
# What else runs a command in a container, and where it stands.
_HOOKS = (
    ("lifecycle", "postStart"),
    ("lifecycle", "preStop"),
    ("", "startupProbe"),
    ("", "livenessProbe"),
    ("", "readinessProbe"),
)
# How a volume's source names what it takes.
_NAMED = ("secretName", "claimName", "name", "driver", "server", "path", "reference")
# What a variable takes its value from.
_FROM = (("secretKeyRef", "secret"), ("configMapKeyRef", "config map"))

Template = Mapping[str, Any]


def of(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pod template of a deployment or replica set, without the label of its hash."""
    found = _part(_part(item, "spec"), "template")
    meta = dict(_part(found, "metadata"))
    if HASH in _part(meta, "labels"):
        meta["labels"] = {key: text for key, text in meta["labels"].items() if key != HASH}
    return {**found, "metadata": meta}


def digest(template: Template) -> str:
    """Return the digest of a template; fields without a value count as none."""
    text = json.dumps(_without_none(template), sort_keys=True, separators=(",", ":"))
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def said(template: Template) -> Iterator[str]:
    """Yield the lines that describe a template."""
    spec = _part(template, "spec")
    yield f"service account: {spec.get('serviceAccountName') or 'default'}"
    if spec.get("automountServiceAccountToken") is False:
        yield "service account: its token is not mounted"
    if node := spec.get("nodeName"):
        yield f"on node {node} alone"
    for key, words in _HOST:
        if spec.get(key):
            yield words
    for key, kind in (("initContainers", "first container"), ("containers", "container")):
        for one in _members(spec, key):
            yield from (f"{kind} {one.get('name')}: {text}" for text in _container(one))
    for one in _members(spec, "volumes"):
        yield f"volume {one.get('name')}: {', '.join(_sources(one))}"


def changed(before: Template, after: Template) -> set[str]:
    """Return the names of the parts that differ, in as much detail as can be shown whole.

    Who adds many annotations would else have the other parts cut from the list.
    """
    for most in range(MOST_DEPTH, 1, -1):
        found = {*changes(before, after, most=most)}
        if len(found) <= MOST_SHOWN:
            return found
    return {*changes(before, after, most=1)}


def changes(
    before: object, after: object, at: str = "", depth: int = 0, most: int = MOST_DEPTH
) -> Iterator[str]:
    """Yield the names of the parts that differ, never their values."""
    old, new = _by_name(before), _by_name(after)
    if depth < most and old is not None and new is not None:
        for key in sorted({*old, *new}):
            path = f"{at}.{key}" if at else key
            yield from changes(old.get(key), new.get(key), path, depth + 1, most)
        # First containers run one after the other, and a variable takes what stands before it.
        if isinstance(before, list) and [one for one in old if one in new] != [
            one for one in new if one in old
        ]:
            yield cut(f"{at} (their order)")
    elif before != after:
        yield cut(at)


def _container(one: Mapping[str, Any]) -> Iterator[str]:
    yield f"image {one.get('image')}"
    for key, word in (("command", "command"), ("args", "arguments")):
        if words := one.get(key):
            yield f"{word} {_told(words)}"
    for at, key in _HOOKS:
        held = _part(_part(one, at) if at else one, key)
        if words := _part(held, "exec").get("command"):
            yield f"{key} runs {_told(words)}"
    names = [_variable(each) for each in _members(one, "env")]
    for each in _members(one, "envFrom"):
        names += [
            f"all of {kind.removesuffix('Ref')} {_part(each, kind).get('name')}"
            for kind in ("secretRef", "configMapRef")
            if kind in each
        ]
    if names:
        yield f"variables {', '.join(names)}"
    yield from _reach(one)


def _variable(one: Mapping[str, Any]) -> str:
    held = _part(one, "valueFrom")
    taken = [f"from {word} {_part(held, kind).get('name')}" for kind, word in _FROM if kind in held]
    return " ".join([str(one.get("name")), *taken])


def _told(words: object) -> str:
    """Return a command as a shell has it, so that a secret after its option is found; masked before
    it is cut, since a half of a secret is not found."""
    return mask_text(shlex.join(map(str, words)) if isinstance(words, list) else str(words))


def _reach(one: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a container may do beyond its own walls."""
    held = _part(one, "securityContext")
    if held.get("privileged"):
        yield "privileged: it can do all that its node can"
    added = _part(held, "capabilities").get("add")
    if isinstance(added, list) and added:
        yield f"added capabilities {', '.join(map(str, added))}"
    for port in _members(one, "ports"):
        if port.get("hostPort"):
            yield f"takes port {port['hostPort']} of its node"


def _sources(volume: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a volume is of: the kind of its source, and the name that it takes."""
    for kind in sorted(volume.keys() - {"name"}):
        source = _part(volume, kind)
        yield " ".join([kind, *(str(source[key]) for key in _NAMED if source.get(key))])
        for each in _members(source, "sources"):
            yield from _sources(each)


def _by_name(value: object) -> Mapping[str, object] | None:
    """Return the parts of a value by their names; None if they have none."""
    if isinstance(value, dict):
        return value
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        return None
    names = [one.get("name") for one in value]
    if len({*map(str, names)}) < len(names) or not all(isinstance(one, str) for one in names):
        return None
    return dict(zip(names, value, strict=True))


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_none(one) for one in value]
    return value


def _part(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _members(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
