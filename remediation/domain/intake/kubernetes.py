"""Read Kubernetes manifests: workloads become services, service accounts and secrets identities.

A workload that actions work on is an identity, too, and so is a role binding. A workload depends on
the workloads behind the Service addresses in its environment, on its service account, on the
secrets that it refers to, and on the bindings that give it rights. The content of a Secret is never
read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from remediation.domain.catalogue.kubernetes import SECRET
from remediation.domain.catalogue.kubernetes_account import SERVICE_ACCOUNT
from remediation.domain.catalogue.kubernetes_token import TOKEN_SECRET
from remediation.domain.intake.addresses import hosts, resource_attributes
from remediation.domain.intake.kubernetes_targets import ACCOUNTS, Found, remarks
from remediation.domain.intake.node import Node
from remediation.domain.intake.place import Place
from remediation.domain.intake.pods import (
    account_of,
    aws_role,
    identities_of,
    locator_of,
    pod_of,
)
from remediation.domain.intake.stated import (
    CRITICALITIES,
    ENVIRONMENTS,
    Edge,
    Options,
    Said,
    Stated,
    annotated,
)

_DEFAULT = "default"
# A catalogue's own name for a workload (Backstage's Kubernetes plugin).
_CATALOGUE_ID = "backstage.io/kubernetes-id"
_OF_ACCOUNT = "kubernetes.io/service-account-token"  # the type of such a secret
_DOMAIN = ("svc", "cluster", "local")
_Key: TypeAlias = tuple[str, str]  # namespace and name


@dataclass(frozen=True)
class _Workload:
    name: str  # in the inventory
    namespace: str
    node: Node
    pod: Node
    labels: dict[str, str]
    found: Found


@dataclass
class _Cluster:
    workloads: list[_Workload] = field(default_factory=list)
    # An index by namespace and label, because there can be thousands of workloads.
    labelled: dict[tuple[str, str, str], list[_Workload]] = field(default_factory=dict)
    accounts: dict[_Key, list[_Workload]] = field(default_factory=dict)
    selectors: dict[_Key, dict[str, str]] = field(default_factory=dict)
    config: dict[_Key, dict[str, str]] = field(default_factory=dict)
    roles: dict[_Key, tuple[str, Place]] = field(default_factory=dict)
    identities: dict[tuple[str, str, str], Node] = field(default_factory=dict)
    bindings: list[Found] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    untaken: Counter[str] = field(default_factory=Counter)  # no identity

    def add(self, workload: _Workload) -> None:
        self.workloads.append(workload)
        account = (workload.namespace, account_of(workload.pod))
        self.accounts.setdefault(account, []).append(workload)
        for label in workload.labels.items():
            self.labelled.setdefault((workload.namespace, *label), []).append(workload)

    def behind(self, service: _Key) -> list[str]:
        """Return the names of the workloads behind a Service."""
        wanted = self.selectors[service].items()
        having = [self.labelled.get((service[0], *label), []) for label in wanted]
        if not having:
            return []  # a Service without a selector has no workload in these files
        fewest = min(having, key=len)
        return [one.name for one in fewest if wanted <= one.labels.items()]


def read(documents: Iterable[Node], options: Options) -> Stated:
    """Return what the manifests state. Raises BadInput with file, document and path."""
    stated, cluster = Stated(), _Cluster()
    for document in documents:
        for node in _flat(document):
            _collect(node, cluster)
    for (kind, namespace, name), node in cluster.identities.items():
        said = _owned(annotated(node, "metadata", "annotations").said)
        stated.identity(locator_of(kind, options, namespace, name, node.place), said, node.place)
    for workload in cluster.workloads:
        _workload(workload, cluster, options, stated)
    for binding in cluster.bindings:
        _binding(binding, cluster, options, stated)
    stated.remarks += remarks(cluster.untaken, options.cluster)
    for kind_name, count in sorted(cluster.others.items()):
        stated.remarks.append(f"{count} of kind {kind_name}: not taken")
    return stated


def _flat(document: Node) -> Iterator[Node]:
    if document.said("kind").endswith("List") and document.get("items") is not None:
        yield from document.each("items")
    else:
        yield document


def _collect(node: Node, cluster: _Cluster) -> None:
    node.need("apiVersion").text()
    kind, name = node.need("kind").text(), node.need("metadata", "name").text()
    namespace = node.said("metadata", "namespace", default=_DEFAULT)
    pod = pod_of(kind, node)
    if pod is not None:
        labels = {key: value.text() for key, value in pod.items("metadata", "labels")}
        own = node.said("metadata", "labels", _CATALOGUE_ID) or labels.get(_CATALOGUE_ID, "")
        shown = own or (name if namespace == _DEFAULT else f"{namespace}/{name}")
        found = Found(kind, namespace, name, node)
        cluster.add(_Workload(shown, namespace, node, pod.need("spec"), labels, found))
    elif kind == "Service":
        pairs = node.items("spec", "selector")
        cluster.selectors[namespace, name] = {key: value.text() for key, value in pairs}
    elif kind == "ConfigMap":
        cluster.config[namespace, name] = {key: value.text() for key, value in node.items("data")}
    elif kind in ("ServiceAccount", "Secret"):
        ours = SERVICE_ACCOUNT.kind if kind != "Secret" else _kind_of_secret(node)
        cluster.identities[ours, namespace, name] = node
        role = aws_role(node)
        if role is not None and kind == "ServiceAccount":
            cluster.roles[namespace, name] = role
    elif kind == "RoleBinding":
        cluster.bindings.append(Found(kind, namespace, name, node))
    else:
        cluster.others[kind] += 1


def _kind_of_secret(node: Node) -> str:
    return TOKEN_SECRET.kind if node.said("type") == _OF_ACCOUNT else SECRET.kind


def _workload(one: _Workload, cluster: _Cluster, options: Options, stated: Stated) -> None:
    stating = annotated(one.node, "metadata", "annotations")
    telemetry = _of_telemetry(one, cluster)
    said = replace(telemetry, **stating.said.given())  # type: ignore[arg-type]
    stated.service(one.name, said, one.node.place)
    stated.uses(one.name, stating.needs, stating.use)
    if one.found.controller:
        own = one.found.workload(options.cluster)
        _target(one.found, own, _owned(said), [one], cluster, stated)
    for kind, name, place in identities_of(one.pod):
        token = (TOKEN_SECRET.kind, one.namespace, name)
        if kind == SECRET.kind and token in cluster.identities:
            kind = TOKEN_SECRET.kind
        locator = locator_of(kind, options, one.namespace, name, place)
        stated.identity(locator, Said(), place)
        stated.edge(Edge(one.name, identity=locator, place=place))
        if kind == SERVICE_ACCOUNT.kind and (one.namespace, name) in cluster.roles:
            role, where = cluster.roles[one.namespace, name]
            stated.identity(role, Said(), where)
            stated.edge(Edge(one.name, identity=role, place=where))
    for edge in _addressed(one, cluster):
        stated.edge(edge)


def _binding(one: Found, cluster: _Cluster, options: Options, stated: Stated) -> None:
    """Add a role binding, on which every workload depends that has rights by it."""
    said = _owned(annotated(one.node, "metadata", "annotations").said)
    _target(one, one.binding(options.cluster), said, _bound(one, cluster), cluster, stated)


def _bound(one: Found, cluster: _Cluster) -> Iterator[_Workload]:
    """Yield the workloads whose accounts a role binding names, alone or as a group."""
    for kind, namespace, name in one.subjects():
        if kind == "ServiceAccount":
            yield from cluster.accounts.get((namespace, name), [])
        elif kind == "Group" and name == ACCOUNTS:
            yield from cluster.workloads
        elif kind == "Group" and name.startswith(f"{ACCOUNTS}:"):
            of = name.removeprefix(f"{ACCOUNTS}:")
            yield from (workload for workload in cluster.workloads if workload.namespace == of)


def _target(
    one: Found,
    locator: str | None,
    said: Said,
    using: Iterable[_Workload],
    cluster: _Cluster,
    stated: Stated,
) -> None:
    if locator is None:
        cluster.untaken[one.kind] += 1
        return
    stated.identity(locator, said, one.node.place)
    for workload in using:
        stated.edge(Edge(workload.name, identity=locator, place=one.node.place))


def _owned(said: Said) -> Said:
    return Said(owner_team=said.owner_team, environment=said.environment)


def _addressed(one: _Workload, cluster: _Cluster) -> Iterator[Edge]:
    for key, value, place in _environment(one, cluster):
        for address in hosts(key, value):
            service = _service_key(address.host, one.namespace)
            if service is None:
                continue
            if service in cluster.selectors:
                for name in cluster.behind(service):
                    yield Edge(one.name, service=name, place=place)
            elif address.certain:
                namespace, name = service
                shown = name if namespace == _DEFAULT else f"{namespace}/{name}"
                yield Edge(one.name, service=shown, named=True, place=place)


def _service_key(host: str, namespace: str) -> _Key | None:
    """Return namespace and name of a Service's address; None for a host outside the cluster."""
    name, *rest = host.split(".")
    if not rest:
        return (namespace, name)
    # name.namespace, with any part of svc.cluster.local; two labels may also be a public domain.
    if len(rest) >= 2 and tuple(rest[1:]) == _DOMAIN[: len(rest) - 1]:
        return (rest[0], name)
    return None


def _environment(one: _Workload, cluster: _Cluster) -> Iterator[tuple[str, str, Place]]:
    """Yield variables with values, also from a ConfigMap of the same files."""
    for container in (*one.pod.each("containers"), *one.pod.each("initContainers")):
        for variable in container.each("env"):
            name = variable.need("name").text()
            where = variable.get("valueFrom", "configMapKeyRef")
            if where is not None:
                held = cluster.config.get((one.namespace, where.said("name")), {})
                yield name, held.get(where.said("key"), ""), where.place
            else:
                yield name, variable.said("value"), variable.place
        for source in container.each("envFrom"):
            key = (one.namespace, source.said("configMapRef", "name"))
            for name, value in cluster.config.get(key, {}).items():
                yield name, value, source.place


def _of_telemetry(one: _Workload, cluster: _Cluster) -> Said:
    said: dict[str, str] = {}
    for key, value, _ in _environment(one, cluster):
        said |= resource_attributes(key, value)
    critical = said.get("service.criticality", "")
    stage = said.get("deployment.environment.name", said.get("deployment.environment", ""))
    return Said(
        criticality=critical if critical in CRITICALITIES else None,
        environment=stage if stage in ENVIRONMENTS else None,
    )
