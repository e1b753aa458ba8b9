"""The objects of the simulated Kubernetes: kept in memory, with the API server's own rules.

Each change gives a new resourceVersion; one with an older resourceVersion or another uid is refused
with 409. Controllers run at once after each change (kube_controllers.py).
"""

from __future__ import annotations

import copy
import itertools
import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
# Names of RBAC objects are path segments, and nothing more (ValidatePathSegmentName).
_SEGMENT = re.compile(r"(?!\.\.?\Z)[^/%]+", re.S)


@dataclass(frozen=True)
class Kind:
    """One resource of the API."""

    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version


_RBAC = "rbac.authorization.k8s.io"
KINDS = {
    each.plural: each
    for each in (
        Kind("namespaces", "Namespace", namespaced=False),
        Kind("pods", "Pod"),
        Kind("services", "Service"),
        Kind("serviceaccounts", "ServiceAccount"),
        Kind("secrets", "Secret"),
        Kind("deployments", "Deployment", "apps"),
        Kind("replicasets", "ReplicaSet", "apps"),
        Kind("statefulsets", "StatefulSet", "apps"),
        Kind("ingresses", "Ingress", "networking.k8s.io"),
        Kind("networkpolicies", "NetworkPolicy", "networking.k8s.io"),
        Kind("horizontalpodautoscalers", "HorizontalPodAutoscaler", "autoscaling", "v2"),
        Kind("roles", "Role", _RBAC),
        Kind("rolebindings", "RoleBinding", _RBAC),
        Kind("clusterroles", "ClusterRole", _RBAC, namespaced=False),
        Kind("clusterrolebindings", "ClusterRoleBinding", _RBAC, namespaced=False),
    )
}
PLURAL = {each.kind: each.plural for each in KINDS.values()}
BINDINGS = ("rolebindings", "clusterrolebindings")


class Refusal(Exception):
    """The answer to a request that is refused."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Cluster:
    """The objects, by resource, namespace and name. The caller holds a lock."""

    def __init__(self) -> None:
        self._objects: dict[tuple[str, str, str], Object] = {}
        self._versions = itertools.count(1000)
        # By namespace, pod and container: what the container wrote.
        self.logs: dict[tuple[str, str, str], str] = {}
        # How long a pod that was asked to end keeps running.
        self.grace_s = 0.0
        # Images that no node can get: a Deployment that asks for one makes no progress.
        self.unpullable: set[str] = set()
        # Whether the controllers of Deployments see no change.
        self.resting = False

    def find(self, plural: str, namespace: str, name: str) -> Object | None:
        """Return the object itself, not a copy."""
        return self._objects.get((plural, namespace, name))

    def all(self, plural: str, namespace: str = "") -> Iterator[Object]:
        """Yield the objects of a namespace; of every one for ""."""
        for (kind, at, _), item in sorted(self._objects.items()):
            if kind == plural and namespace in ("", at):
                yield item

    def get(self, plural: str, namespace: str, name: str) -> Object:
        """Return the object. Raises Refusal."""
        found = self.find(plural, namespace, name)
        if found is None:
            raise Refusal(404, "NotFound", f'{plural} "{name}" not found')
        return found

    def add(self, item: Object) -> Object:
        """Make an object, of whatever kind it says it is. Raises Refusal."""
        kind = KINDS[PLURAL[item["kind"]]]
        namespace = item["metadata"].get("namespace", "") if kind.namespaced else ""
        return self.create(kind.plural, namespace, item)

    def create(self, plural: str, namespace: str, given: Object) -> Object:
        """Make an object; return it. Raises Refusal."""
        kind, item = KINDS[plural], copy.deepcopy(given)
        meta = item.setdefault("metadata", {})
        if "name" not in meta and "generateName" in meta:
            meta["name"] = f"{meta['generateName']}{uuid.uuid4().hex[:5]}"
        name = meta.get("name", "")
        _refuse_invalid(kind, item, namespace)
        if kind.namespaced and self.find("namespaces", "", namespace) is None:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
        if self.find(plural, namespace, name) is not None:
            raise Refusal(409, "AlreadyExists", f'{plural} "{name}" already exists')
        meta |= {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        if kind.namespaced:
            meta["namespace"] = namespace
        if kind.group == "apps":
            meta["generation"] = 1
        item |= {"apiVersion": kind.api_version, "kind": kind.kind}
        self._objects[plural, namespace, name] = item
        return self.touch(item)

    def replace(self, plural: str, namespace: str, name: str, new: Object) -> Object:
        """Change an object to this. Raises Refusal."""
        old = self.get(plural, namespace, name)
        refuse_stale(old, new.get("metadata", {}))
        if plural in BINDINGS and new.get("roleRef") != old.get("roleRef"):
            raise Refusal(422, "Invalid", "roleRef: cannot change roleRef")
        if KINDS[plural].group == "apps" and _selector(new) != _selector(old):
            raise Refusal(422, "Invalid", "spec.selector: field is immutable")
        kept = ("name", "namespace", "uid", "creationTimestamp", "generation")
        item = copy.deepcopy(new)
        item["metadata"] |= {key: old["metadata"][key] for key in kept if key in old["metadata"]}
        _drop_empty(plural, item)
        if item == old:
            return old
        if "generation" in old["metadata"]:
            asked = item.get("spec") != old.get("spec")
            item["metadata"]["generation"] = old["metadata"]["generation"] + asked
        self._objects[plural, namespace, name] = item
        return self.touch(item)

    def delete(self, plural: str, namespace: str, name: str, options: Object) -> Object:
        """Remove an object; return what it was. Raises Refusal."""
        old = self.get(plural, namespace, name)
        refuse_stale(old, options.get("preconditions") or {})
        if old["metadata"].get("finalizers"):
            # It stays in lists until they are done; nobody can take the mark away.
            old["metadata"].setdefault("deletionTimestamp", "2026-12-02T00:00:00Z")
            return self.touch(old)
        del self._objects[plural, namespace, name]
        if plural == "namespaces":
            for key in [key for key in self._objects if key[1] == name]:
                del self._objects[key]
        return old

    def touch(self, item: Object) -> Object:
        """Give the object the next resourceVersion."""
        item["metadata"]["resourceVersion"] = str(next(self._versions))
        return item


def refuse_stale(old: Object, told: Object) -> None:
    """Raise Refusal if the caller means another object or an older version of it."""
    for key in ("uid", "resourceVersion"):
        if told.get(key) and told[key] != old["metadata"][key]:
            raise Refusal(
                409, "Conflict", "the object has been modified; please apply your changes to the"
                " latest version and try again",
            )  # fmt: skip


def _refuse_invalid(kind: Kind, item: Object, namespace: str) -> None:
    name = item["metadata"].get("name", "")
    form = _SEGMENT if kind.group == _RBAC else _NAME
    if not form.fullmatch(name):
        raise Refusal(422, "Invalid", "metadata.name: Invalid value")
    if item.get("kind", kind.kind) != kind.kind:
        raise Refusal(400, "BadRequest", "the object is of another kind")
    if item["metadata"].get("namespace", namespace) != namespace:
        raise Refusal(400, "BadRequest", "the namespace of the object is not that of the request")
    if item["metadata"].get("resourceVersion"):
        raise Refusal(
            400, "BadRequest", "resourceVersion should not be set on objects to be created"
        )
    _drop_empty(kind.plural, item)


def _drop_empty(plural: str, item: Object) -> None:
    """An empty list of subjects is left out of answers, as by the API server."""
    if plural in BINDINGS and not item.get("subjects", True):
        del item["subjects"]


def _selector(item: Object) -> Any:
    return item.get("spec", {}).get("selector")
