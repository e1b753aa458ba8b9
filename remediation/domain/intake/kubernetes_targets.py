"""Find in manifests what an action of the catalogue works on: workloads and role bindings.

Only an identity of the inventory can be observed, so its locator here is that of the target.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from remediation.domain.catalogue import MAX_LOCATOR, TargetSpec, locators
from remediation.domain.catalogue.kubernetes_binding import ROLE_BINDING
from remediation.domain.catalogue.kubernetes_workload import WORKLOAD
from remediation.domain.intake.node import Node

# The controllers that actions work on, and the groups of the API that they were of.
_CONTROLLERS = ("Deployment", "StatefulSet")
_GROUPS = ("apps/", "extensions/")
# The group of every service account; with a namespace behind ":", of those there.
ACCOUNTS = "system:serviceaccounts"


@dataclass(frozen=True)
class Found:
    """An object of the manifests that is a kind of target."""

    kind: str
    namespace: str
    name: str
    node: Node

    @property
    def controller(self) -> str:
        """Return the field `controller`; empty if no action works on such a workload."""
        of_group = self.node.said("apiVersion").startswith(_GROUPS)
        return self.kind.lower() if of_group and self.kind in _CONTROLLERS else ""

    def workload(self, cluster: str) -> str | None:
        """Return the locator of a workload; None if no target can have these names."""
        return _locator(
            WORKLOAD,
            cluster=cluster,
            namespace=self.namespace,
            controller=self.controller,
            name=self.name,
        )

    def binding(self, cluster: str) -> str | None:
        """Return the locator of a role binding; None if no target can have these names."""
        return _locator(ROLE_BINDING, cluster=cluster, namespace=self.namespace, binding=self.name)

    def subjects(self) -> Iterator[tuple[str, str, str]]:
        """Yield kind, namespace and name of each subject of a role binding."""
        for one in self.node.each("subjects"):
            namespace = one.said("namespace", default=self.namespace)
            yield one.said("kind"), namespace, one.said("name")


def remarks(untaken: Counter[str], cluster: str) -> Iterator[str]:
    """Yield what became no identity, by kind, and why."""
    for kind, count in sorted(untaken.items()):
        why = "no target of an action can have its name"
        yield f"{count} of kind {kind}: {why if cluster else 'name the cluster to take it'}"


def _locator(spec: TargetSpec, **fields: str) -> str | None:
    for name, value in fields.items():
        if not re.fullmatch(spec.fields[name], value, re.ASCII):
            return None
        if len(value.encode()) > spec.escaped.get(name, MAX_LOCATOR):
            return None
    locator = locators.locator_of(spec, fields)
    return locator if len(locator) <= MAX_LOCATOR else None
