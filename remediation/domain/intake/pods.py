"""Find the pod in a manifest, and the identities that a pod uses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from remediation.domain.catalogue import TARGETS
from remediation.domain.catalogue.aws_role import ROLE
from remediation.domain.catalogue.kubernetes import SECRET
from remediation.domain.catalogue.kubernetes_account import SERVICE_ACCOUNT
from remediation.domain.intake.node import Node
from remediation.domain.intake.place import Place
from remediation.domain.intake.stated import Options

_POD_AT = {
    **dict.fromkeys(
        ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job"),
        ("spec", "template"),
    ),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
_ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"
_ROLE = re.compile(
    rf"arn:aws[a-z-]*:iam::({ROLE.fields['account']}):role/(?:[^:\s]*/)?({ROLE.fields['role']})"
)


def locator_of(kind: str, options: Options, namespace: str, name: str, place: Place) -> str:
    """Return the locator of an identity. Raises BadValue if the cluster's name is not given."""
    if not options.cluster:
        raise place.refusal("name the cluster that these manifests are of (cluster)")
    return TARGETS[kind].locator.format(cluster=options.cluster, namespace=namespace, name=name)


def pod_of(kind: str, node: Node) -> Node | None:
    """Return the pod of a workload; None for any other object. Raises MissingField."""
    if kind not in _POD_AT:
        return None
    keys = _POD_AT[kind]
    return node.need(*keys) if keys else node


def account_of(pod: Node) -> str:
    """Return the name of the pod's service account."""
    return pod.said("serviceAccountName") or pod.said("serviceAccount") or "default"


def identities_of(pod: Node) -> Iterator[tuple[str, str, Place]]:
    """Yield kind and name of its service account (not the default one) and of every secret."""
    account = pod.get("serviceAccountName") or pod.get("serviceAccount")
    if account is not None and account.text() != "default":
        yield SERVICE_ACCOUNT.kind, account.text(), account.place
    for reference in _secret_names(pod):
        yield SECRET.kind, reference.text(), reference.place


def _secret_names(pod: Node) -> Iterator[Node]:
    found: list[Node | None] = []
    for container in (*pod.each("containers"), *pod.each("initContainers")):
        found += [one.get("valueFrom", "secretKeyRef", "name") for one in container.each("env")]
        found += [one.get("secretRef", "name") for one in container.each("envFrom")]
    for volume in pod.each("volumes"):
        found.append(volume.get("secret", "secretName"))
        found += [one.get("secret", "name") for one in volume.each("projected", "sources")]
    found += [one.get("name") for one in pod.each("imagePullSecrets")]
    yield from (one for one in found if one is not None)


def aws_role(account: Node) -> tuple[str, Place] | None:
    """Return the locator of the AWS role of a service account (IRSA). Raises BadValue."""
    arn = account.get("metadata", "annotations", _ROLE_ANNOTATION)
    if arn is None:
        return None
    match = _ROLE.fullmatch(arn.text())
    if match is None:
        raise arn.refusal("not the ARN of a role")
    return ROLE.locator.format(account=match[1], role=match[2]), arn.place
