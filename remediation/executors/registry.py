"""Map actions to their executors: the built-in drivers and those of other packages.

Only processes that run steps import this module; it loads the entry points of the group
`hitlportal.executors` (see `remediation.extensions`). An action not in `EXECUTORS` cannot run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from remediation import extensions
from remediation.domain.catalogue import ACTIONS, PROVIDERS
from remediation.executors import (
    ansible,
    aws,
    entra,
    github,
    kubernetes,
    ldap,
    oauth,
    okta,
    openbao,
    postgres_driver,
    rabbitmq,
    ssh,
    things,
    tls,
    valkey,
    webhook,
)
from remediation.executors.base import Executor
from remediation.executors.driver import Driver
from remediation.extensions import ExtensionInvalid

BUILT_IN = (
    postgres_driver.DRIVER,
    aws.DRIVER,
    kubernetes.DRIVER,
    openbao.DRIVER,
    tls.DRIVER,
    valkey.DRIVER,
    webhook.DRIVER,
    oauth.DRIVER,
    rabbitmq.DRIVER,
    ldap.DRIVER,
    ssh.DRIVER,
    github.DRIVER,
    okta.DRIVER,
    entra.DRIVER,
    ansible.DRIVER,
    things.DRIVER,
)
_OURS = "hitlportal"


def join(found: Iterable[tuple[str, Driver]], packages: Mapping[str, str]) -> Mapping[str, Driver]:
    """Return the drivers by provider.

    `found` has each driver with its package, `packages` the package of each declaration. Raises
    ExtensionInvalid unless every action of the catalogue has exactly one executor.
    """
    drivers: dict[str, Driver] = {}
    for package, driver in found:
        problem = _problem(driver)
        if driver.provider in drivers:
            problem = f"there is an executor for provider {driver.provider} already"
        if problem:
            raise ExtensionInvalid(f"package {package}: {problem}")
        drivers[driver.provider] = driver
    for name, provider in PROVIDERS.items():
        if provider.actions and name not in drivers:
            raise ExtensionInvalid(
                f"package {packages.get(name, _OURS)}: it declares actions of {name}, and no"
                f" installed package has an executor for them (entry point of"
                f" {extensions.EXECUTORS}); a declaration without actions needs none"
            )
    return MappingProxyType(drivers)


def _problem(driver: Driver) -> str:
    """Return why the driver does not fit its provider's declaration; "" if it does."""
    provider = PROVIDERS.get(driver.provider)
    if provider is None:
        return f"an executor for provider {driver.provider}, which no package declares"
    kinds = [executor.spec.kind for executor in driver.executors]
    declared = [action.kind for action in provider.actions]
    if len(kinds) != len(set(kinds)):
        return f"two executors for one action of {driver.provider}"
    if set(kinds) != set(declared):
        differing = ", ".join(sorted(set(kinds) ^ set(declared)))
        return f"executors and declared actions differ in {differing}"
    if any(executor.spec is not ACTIONS[executor.spec.kind] for executor in driver.executors):
        return f"an executor of {driver.provider} has another declaration than the catalogue"
    return ""


def _all() -> Mapping[str, Driver]:
    packages = extensions.load_catalogue()
    others = extensions.found(extensions.EXECUTORS, Driver)
    return join([*((_OURS, driver) for driver in BUILT_IN), *others], packages)


DRIVERS: Mapping[str, Driver] = _all()
EXECUTORS: Mapping[str, type[Executor]] = MappingProxyType(
    {executor.spec.kind: executor for each in DRIVERS.values() for executor in each.executors}
)
