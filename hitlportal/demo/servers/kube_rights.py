"""Who a token is, and what it may do, in the simulated Kubernetes: RBAC from its own objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hitlportal.demo.servers.kube_cluster import Cluster

MASTERS = "system:masters"


@dataclass(frozen=True)
class Caller:
    """An authenticated caller."""

    name: str
    groups: tuple[str, ...] = ("system:authenticated",)
    uid: str = ""
    # The secret that a legacy token is kept in.
    secret: str = ""

    @classmethod
    def service_account(cls, namespace: str, name: str, uid: str = "", secret: str = "") -> Caller:
        groups = (
            "system:serviceaccounts",
            f"system:serviceaccounts:{namespace}",
            "system:authenticated",
        )
        return cls(f"system:serviceaccount:{namespace}:{name}", groups, uid, secret)


@dataclass(frozen=True)
class Asked:
    """What a request asks for. `resource` has the subresource: `deployments/scale`."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


def is_alive(cluster: Cluster, caller: Caller) -> bool:
    """Return whether the account that a token names is there, with the token's own identifier."""
    system, kind, namespace, name = (*caller.name.split(":"), "", "", "", "")[:4]
    if (system, kind) != ("system", "serviceaccount") or not caller.uid:
        return True  # a person, or a token of the demo without an account in the cluster
    if caller.secret and not _has_token(cluster.find("secrets", namespace, caller.secret)):
        return False
    found = cluster.find("serviceaccounts", namespace, name)
    return found is not None and bool(found["metadata"]["uid"] == caller.uid)


def allowed(cluster: Cluster, caller: Caller, asked: Asked) -> bool:
    """Return whether a role of the caller, here or in the whole cluster, allows it."""
    if MASTERS in caller.groups:
        return True
    return any(_covers(rule, asked) for rule in _rules(cluster, caller, asked.namespace))


def may_bind(cluster: Cluster, caller: Caller, binding: dict[str, Any], namespace: str) -> bool:
    """Return whether the caller may make or change a binding to this role.

    It needs `bind` on the role, or all that the role allows: nobody gives what he does not have.
    """
    role = binding["roleRef"]
    plural = "clusterroles" if role["kind"] == "ClusterRole" else "roles"
    asked = Asked("bind", "rbac.authorization.k8s.io", plural, namespace, role["name"])
    if allowed(cluster, caller, asked):
        return True
    rules = list(_of_role(cluster, role, namespace))
    return bool(rules) and all(
        allowed(cluster, caller, Asked(verb, group, resource, namespace, name))
        for rule in rules
        for group in rule.get("apiGroups", ())
        for resource in rule.get("resources", ())
        for verb in rule.get("verbs", ())
        for name in rule.get("resourceNames") or ("",)
    )


def _rules(cluster: Cluster, caller: Caller, namespace: str) -> Iterator[dict[str, Any]]:
    bindings = [*cluster.all("clusterrolebindings")]
    if namespace:
        bindings += cluster.all("rolebindings", namespace)
    for binding in bindings:
        if any(_is(subject, caller, namespace) for subject in binding.get("subjects") or ()):
            yield from _of_role(cluster, binding["roleRef"], namespace)


def _of_role(cluster: Cluster, role: dict[str, Any], namespace: str) -> Iterator[dict[str, Any]]:
    cluster_wide = role["kind"] == "ClusterRole"
    plural = "clusterroles" if cluster_wide else "roles"
    found = cluster.find(plural, "" if cluster_wide else namespace, role["name"])
    yield from (found or {}).get("rules") or ()


def _is(subject: dict[str, Any], caller: Caller, namespace: str) -> bool:
    match subject["kind"]:
        case "ServiceAccount":
            at = subject.get("namespace") or namespace
            return caller.name == f"system:serviceaccount:{at}:{subject['name']}"
        case "Group":
            return subject["name"] in caller.groups
    return bool(subject["name"] == caller.name)


def _covers(rule: dict[str, Any], asked: Asked) -> bool:
    names = rule.get("resourceNames")
    return (
        _in(rule.get("verbs"), asked.verb)
        and _in(rule.get("apiGroups"), asked.group)
        and _in(rule.get("resources"), asked.resource)
        and (not names or asked.name in names)
    )


def _in(held: list[str] | None, wanted: str) -> bool:
    return bool(held) and ("*" in held or wanted in held)  # type: ignore[operator]


def _has_token(secret: dict[str, Any] | None) -> bool:
    """Return whether the token that is kept in a secret is taken, as the API server judges it."""
    if secret is None or "deletionTimestamp" in secret["metadata"]:
        return False
    labels = secret["metadata"].get("labels") or {}
    return not labels.get("kubernetes.io/legacy-token-invalid-since")
