"""Join declarations into one catalogue; refuse contradictions within or between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from remediation.domain.catalogue.action_rules import action_problems
from remediation.domain.catalogue.spec import ActionSpec, Provider, TargetSpec
from remediation.domain.catalogue.target_rules import target_problems

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}")
# The database keeps kinds in columns of 64 characters.
_KIND = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
MAX_KIND = 64


class CatalogueInvalid(ValueError):
    """A declaration contradicts itself or another one; the process must not start."""


@dataclass(frozen=True)
class Catalogue:
    """All declarations: providers by name, targets by kind, actions by kind."""

    providers: Mapping[str, Provider]
    targets: Mapping[str, TargetSpec]
    actions: Mapping[str, ActionSpec]


def build(providers: Iterable[Provider]) -> Catalogue:
    """Build the catalogue. Raises CatalogueInvalid, which names the invalid kind."""
    found: dict[str, Provider] = {}
    targets: dict[str, TargetSpec] = {}
    actions: dict[str, ActionSpec] = {}
    for provider in providers:
        if provider.name in found:
            raise CatalogueInvalid(f"provider {provider.name} is declared twice")
        _refuse(f"provider {provider.name}", _of_provider(provider))
        found[provider.name] = provider
        for target in provider.targets:
            if target.kind in targets:
                raise CatalogueInvalid(f"kind {target.kind} is declared twice")
            targets[target.kind] = target
        for action in provider.actions:
            if action.kind in actions:
                raise CatalogueInvalid(f"action {action.kind} is declared twice")
            actions[action.kind] = action
        # Targets first: what is judged of an action rests on its target's fields.
        for target in provider.targets:
            _refuse(f"kind {target.kind}", target_problems(target, provider))
        own = {action.kind: action for action in provider.actions}
        for action in provider.actions:
            _refuse(f"action {action.kind}", action_problems(action, provider, own))
    return Catalogue(found, targets, actions)


def _refuse(what: str, problems: Iterator[str]) -> None:
    for problem in problems:
        raise CatalogueInvalid(f"{what}: {problem}")


def _of_provider(provider: Provider) -> Iterator[str]:
    if not _NAME.fullmatch(provider.name):
        yield "the name is not a short lower-case word"
    kinds = [each.kind for each in provider.targets] + [each.kind for each in provider.actions]
    for kind in kinds:
        if not kind.startswith(f"{provider.name}."):
            yield f"{kind[:80]!r} does not begin with {provider.name}."
        if not _KIND.fullmatch(kind) or len(kind) > MAX_KIND:
            yield f"{kind[:80]!r} is not a kind"
    if not provider.targets:
        yield "it has no kind of target"
