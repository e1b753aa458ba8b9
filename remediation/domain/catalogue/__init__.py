"""The closed catalogue: kinds of target and the actions on them.

Nothing else can be proposed, shown, approved or run. A provider's declaration is a module in this
folder or in another package (entry-point group `hitlportal.catalogue`); `remediation.extensions`
registers the latter when the process starts. `TARGETS`, `ACTIONS` and `PROVIDERS` are live views,
so they include what is registered after their import.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue import (
    ansible,
    aws,
    entra,
    github,
    kubernetes,
    ldap,
    oauth,
    okta,
    openbao,
    other,
    postgres,
    rabbitmq,
    ssh,
    test,
    tls,
    valkey,
    webhook,
)
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.registry import CatalogueInvalid, build
from remediation.domain.catalogue.spec import (
    MAX_LOCATOR,
    REPORT_ONLY,
    ActionSpec,
    Change,
    Limit,
    Live,
    Narrows,
    Op,
    Protected,
    Provider,
    TargetSpec,
    Trust,
    Word,
    gettext_noop,
    never_cut,
    pgettext,
)

__all__ = [
    "ACTIONS",
    "BUILT_IN",
    "MAX_LOCATOR",
    "PROVIDERS",
    "REPORT_ONLY",
    "TARGETS",
    "ActionSpec",
    "CatalogueInvalid",
    "Change",
    "Limit",
    "Live",
    "LivesOn",
    "Narrows",
    "Op",
    "Protected",
    "Provider",
    "TargetSpec",
    "Trust",
    "Word",
    "after",
    "after_step",
    "build",
    "gettext_noop",
    "is_report_only",
    "is_test",
    "kind_of",
    "never_cut",
    "pgettext",
    "provider_of",
    "register",
]

BUILT_IN = (
    postgres.PROVIDER,
    aws.PROVIDER,
    kubernetes.PROVIDER,
    openbao.PROVIDER,
    tls.PROVIDER,
    valkey.PROVIDER,
    webhook.PROVIDER,
    oauth.PROVIDER,
    rabbitmq.PROVIDER,
    ldap.PROVIDER,
    ssh.PROVIDER,
    github.PROVIDER,
    okta.PROVIDER,
    entra.PROVIDER,
    ansible.PROVIDER,
    other.PROVIDER,
    test.PROVIDER,
)

_providers: dict[str, Provider] = {}
_targets: dict[str, TargetSpec] = {}
_actions: dict[str, ActionSpec] = {}
PROVIDERS: Mapping[str, Provider] = MappingProxyType(_providers)
TARGETS: Mapping[str, TargetSpec] = MappingProxyType(_targets)
ACTIONS: Mapping[str, ActionSpec] = MappingProxyType(_actions)


def register(*providers: Provider) -> None:
    """Add declarations to the catalogue: all of them or none.

    Only at the start of a process. Raises CatalogueInvalid.
    """
    whole = build((*_providers.values(), *providers))
    _providers.update(whole.providers)
    _targets.update(whole.targets)
    _actions.update(whole.actions)


register(*BUILT_IN)


def provider_of(kind: str) -> Provider | None:
    """Return the provider of a kind of target or action; None for an undeclared kind."""
    return PROVIDERS.get(kind.partition(".")[0])


def is_test(kind: str) -> bool:
    """Return whether the kind exists for tests and benchmarks only."""
    provider = provider_of(kind)
    return provider is not None and provider.for_tests


def kind_of(locator: str) -> TargetSpec | None:
    """Return the kind that a locator begins with; None for an undeclared one."""
    return TARGETS.get(locator.partition(":")[0])


def is_report_only(locator: str) -> bool:
    """Return whether no action exists for the identity with this locator."""
    kind = kind_of(locator)
    return kind is None or kind.report_only


def after(
    action: str,
    state: Mapping[str, Json],
    parameters: Mapping[str, Json] = MappingProxyType({}),
    made: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Json]:
    """Return the pinned state after the action; reviewers see it, and executors verify it.

    What is not made yet stands as its name in angle brackets. Raises KeyError for an action that
    is not in the catalogue.
    """
    return after_step(ACTIONS[action], state, parameters, made)


def after_step(
    spec: ActionSpec,
    state: Mapping[str, Json],
    parameters: Mapping[str, Json],
    made: Mapping[str, str],
) -> dict[str, Json]:
    """Return the same for one version of an action."""
    changed = {**state, **spec.leads_to}
    for name, change in spec.leads_to_from.items():
        changed[name] = _changed(change, state.get(name), parameters, made)
    return changed


def _named(value: Json) -> Json:
    """Return a parameter's value; of a reference, the name of what is not made yet."""
    return f"<{value.get('name')}>" if isinstance(value, dict) else value


def _changed(
    change: Change, old: Json, parameters: Mapping[str, Json], made: Mapping[str, str]
) -> Json:
    if isinstance(old, int) and not isinstance(old, bool):
        return {Op.ADD: old + 1, Op.REMOVE: old - 1}.get(change.op, old)
    value: Json = made.get(change.made, f"<{change.made}>")
    if change.parameter:
        value = _named(parameters.get(change.parameter))
    if change.op is Op.SET:
        return [value] if isinstance(old, list) and not isinstance(value, list) else value
    rest = [one for one in old if one != value] if isinstance(old, list) else []
    return sorted([*rest, value], key=str) if change.op is Op.ADD else rest
