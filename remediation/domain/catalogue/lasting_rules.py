"""The rules for what a declaration says of sessions that outlive an action."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import ActionSpec, Provider, TargetSpec


def lasting_problems(
    spec: ActionSpec, provider: Provider, own: Mapping[str, ActionSpec]
) -> Iterator[str]:
    """Yield what is wrong with `lives_on`; `own` are all actions of the provider, by kind."""
    if spec.lives_on is None:
        if spec.removes_access or spec.retires:
            yield "it takes access away, and does not say what it leaves alive"
        return
    kinds = {target.kind: target for target in provider.targets}
    for one in spec.lives_on:
        read = {*kinds[spec.target_kind].shown_fields, *spec.pin_fields}
        if one.seen_in and one.seen_in not in read:
            yield f"it leaves {one.seen_in} alive, which no executor reads"
        if bool(one.none) == bool(one.parameter or one.action):
            yield "what it leaves alive is ended by a parameter or an action, or it says why not"
        if one.parameter and _type(spec, one.parameter) != "boolean":
            yield f"it ends by {one.parameter}, which is no truth among its parameters"
        if one.action:
            yield from _of_action(spec, one, kinds, own)
        elif one.target or one.before:
            yield "without an action there is no target of it, and no time"


def _of_action(
    spec: ActionSpec, one: LivesOn, kinds: Mapping[str, TargetSpec], own: Mapping[str, ActionSpec]
) -> Iterator[str]:
    ends = own.get(one.action)
    if ends is None or ends is spec or ends.grants_access:
        yield f"{one.action} is no action that could end what it leaves alive"
        return
    wanted = kinds[ends.target_kind].fields
    if not one.target and ends.target_kind != spec.target_kind:
        yield f"{one.action} works on another kind, and no target is said"
    if one.target and set(one.target) != set(wanted):
        yield f"the target of {one.action} does not have exactly its fields"
    fields = kinds[spec.target_kind].fields
    for template in one.target.values():
        named = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
        if not set(named) <= set(fields):
            yield f"the target of {one.action} names what its own target does not have"
    if one.before and _type(ends, one.before) != "string":
        yield f"{one.action} has no time {one.before}"
    required = ends.parameters.get("required")
    if set(required if isinstance(required, list) else ()) - {one.before}:
        yield f"{one.action} needs more than a time"


def _type(spec: ActionSpec, name: str) -> object:
    properties = spec.parameters.get("properties")
    each = properties.get(name) if isinstance(properties, Mapping) else None
    return each.get("type") if isinstance(each, Mapping) else None
