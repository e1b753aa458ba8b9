"""The controllers of the simulated Kubernetes: workloads have the pods that they ask for.

A pod whose labels its ReplicaSet no longer selects is released and kept, and a new pod takes its
place; that is what a real ReplicaSet does, too.
"""

from __future__ import annotations

import copy
import hashlib
import itertools
import json
import time
from typing import Any

from hitlportal.demo.servers.kube_cluster import Cluster, Object, now
from hitlportal.demo.servers.kube_match import selects

REVISION = "deployment.kubernetes.io/revision"
# Former numbers of a replica set that became the present one again.
HISTORY = "deployment.kubernetes.io/revision-history"
LEGACY = "kubernetes.io/service-account-token"
_ENDS = "hitlportal.simulated/ends"  # when a pod that was asked to end is gone
_addresses = itertools.count(10)


def settle(cluster: Cluster) -> None:
    """Bring every workload to what it asks for."""
    for pod in list(cluster.all("pods")):
        if float(pod["metadata"].get("annotations", {}).get(_ENDS, "inf")) <= time.time():
            cluster.delete("pods", pod["metadata"]["namespace"], pod["metadata"]["name"], {})
    _end_tokens(cluster)
    deployments = [] if cluster.resting else list(cluster.all("deployments"))
    for deployment in deployments:
        _deployment(cluster, deployment)
    for item in [*cluster.all("replicasets"), *cluster.all("statefulsets")]:
        _pods(cluster, item)
    for deployment in deployments:
        _status(deployment, _count(cluster, deployment))
        _updated(cluster, deployment)
        deployment["status"]["conditions"] = [_progress(cluster, deployment)]


def _end_tokens(cluster: Cluster) -> None:
    """Delete the secrets of legacy tokens whose account is gone, or is another one by now."""
    for secret in list(cluster.all("secrets")):
        if secret.get("type") != LEGACY:
            continue
        meta = secret["metadata"]
        notes = meta.get("annotations", {})
        name = notes.get("kubernetes.io/service-account.name", "")
        found = cluster.find("serviceaccounts", meta["namespace"], name)
        uid = notes.get("kubernetes.io/service-account.uid")
        if found is None or found["metadata"]["uid"] != uid:
            cluster.delete("secrets", meta["namespace"], meta["name"], {})


def _deployment(cluster: Cluster, deployment: Object) -> None:
    meta, spec = deployment["metadata"], deployment["spec"]
    template = json.dumps(spec["template"], sort_keys=True).encode()
    # Digits and consonants as in real names; it stands in the labels of pods.
    version = hashlib.sha256(template).hexdigest()[:9]
    name = f"{meta['name']}-{version}"
    if spec.get("paused"):  # only its number is followed
        return _scale(cluster, deployment, current_of(cluster, deployment))
    if cluster.find("replicasets", meta["namespace"], name) is None:
        _replica_set(cluster, deployment, name, version)
    _number(cluster, deployment, name)
    if not stuck(cluster, deployment):
        _scale(cluster, deployment, name)
    elif (new := cluster.get("replicasets", meta["namespace"], name))["spec"]["replicas"] > 1:
        new["spec"]["replicas"] = 1  # the pods of before stay until a new one is ready


def _scale(cluster: Cluster, deployment: Object, name: str) -> None:
    for each in _sets(cluster, deployment):
        current = each["metadata"]["name"] == name
        each["spec"]["replicas"] = deployment["spec"].get("replicas", 1) if current else 0


def _number(cluster: Cluster, deployment: Object, name: str) -> None:
    """Give the present replica set the highest revision; one that had another keeps it noted."""
    highest = {each["metadata"]["name"]: _revision(each) for each in _sets(cluster, deployment)}
    others = [number for each, number in highest.items() if each != name]
    notes = cluster.get("replicasets", deployment["metadata"]["namespace"], name)["metadata"]
    notes = notes["annotations"]
    if highest[name] <= max(others, default=0):
        before = [notes[HISTORY]] if HISTORY in notes else []
        notes[HISTORY] = ",".join([*before, notes[REVISION]])
        notes[REVISION] = str(max(others) + 1)
    deployment["metadata"].setdefault("annotations", {})[REVISION] = notes[REVISION]


def _replica_set(cluster: Cluster, deployment: Object, name: str, version: str) -> None:
    meta, spec = deployment["metadata"], copy.deepcopy(deployment["spec"])
    labels = {**spec["template"]["metadata"]["labels"], "pod-template-hash": version}
    spec["template"]["metadata"]["labels"] = labels
    spec["selector"].setdefault("matchLabels", {})["pod-template-hash"] = version
    revisions = [_revision(each) for each in _sets(cluster, deployment)]
    new: Object = {
        "metadata": {
            "name": name,
            "labels": labels,
            "annotations": {REVISION: str(max(revisions, default=0) + 1)},
            "ownerReferences": [_owner(deployment)],
        },
        "spec": {key: spec[key] for key in ("replicas", "selector", "template") if key in spec},
    }
    cluster.create("replicasets", meta["namespace"], new)


def _sets(cluster: Cluster, deployment: Object) -> list[Object]:
    meta = deployment["metadata"]
    found = cluster.all("replicasets", meta["namespace"])
    return [each for each in found if _controller(each) == meta["uid"]]


def _revision(replica_set: Object) -> int:
    return int(replica_set["metadata"]["annotations"][REVISION])


def current_of(cluster: Cluster, deployment: Object) -> str:
    """Return the name of the replica set with the highest revision; "" if there is none."""
    newest = max(_sets(cluster, deployment), key=_revision, default=None)
    return newest["metadata"]["name"] if newest else ""


def stuck(cluster: Cluster, deployment: Object) -> bool:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return any(each["image"] in cluster.unpullable for each in containers)


def _pods(cluster: Cluster, owner: Object) -> None:
    namespace = owner["metadata"]["namespace"]
    held = []
    for pod in cluster.all("pods", namespace):
        own = _controller(pod) == owner["metadata"]["uid"]
        fits = selects(owner["spec"]["selector"], pod["metadata"].get("labels", {}))
        if own and not fits:
            pod["metadata"]["ownerReferences"] = []
            cluster.touch(pod)
        elif fits and _controller(pod) in ("", owner["metadata"]["uid"]):
            if not own:
                pod["metadata"]["ownerReferences"] = [_owner(owner)]
            if "deletionTimestamp" not in pod["metadata"]:
                held.append(pod)
    wanted = owner["spec"].get("replicas", 1)
    for number in range(len(held), wanted):
        _pod(cluster, owner, number)
    for pod in held[wanted:]:
        end(cluster, pod)
    _status(owner, wanted)


def _pod(cluster: Cluster, owner: Object, number: int) -> None:
    template = copy.deepcopy(owner["spec"]["template"])
    meta, spec = template["metadata"], template["spec"]
    named = owner["metadata"]["name"]
    how: Object = {"generateName": f"{named}-"}
    if owner["kind"] == "StatefulSet":
        how = {"name": f"{named}-{number}"}
    containers = [
        {
            "name": each["name"],
            "image": each["image"],
            "imageID": _image_id(each["image"]),
            "ready": each["image"] not in cluster.unpullable,
            "restartCount": 0,
            "state": {"waiting": {"reason": "ImagePullBackOff"}}
            if each["image"] in cluster.unpullable
            else {"running": {"startedAt": now()}},
        }
        for each in spec["containers"]
    ]
    spec |= {"nodeName": "node-1", "serviceAccountName": spec.get("serviceAccountName", "default")}
    new: Object = {
        "metadata": {**meta, **how, "ownerReferences": [_owner(owner)]},
        "spec": spec,
        "status": {
            "phase": "Running" if all(each["ready"] for each in containers) else "Pending",
            "podIP": f"10.244.0.{next(_addresses) % 250}",
            "startTime": now(),
            "containerStatuses": containers,
        },
    }
    cluster.create("pods", owner["metadata"]["namespace"], new)


def _image_id(image: str) -> str:
    return f"{image}@sha256:{hashlib.sha256(image.encode()).hexdigest()}"


def end(cluster: Cluster, pod: Object) -> None:
    """Ask a pod to end; it is gone after the grace period."""
    meta = pod["metadata"]
    if cluster.grace_s <= 0:
        cluster.delete("pods", meta["namespace"], meta["name"], {})
        return
    meta["deletionTimestamp"] = now()
    meta.setdefault("annotations", {})[_ENDS] = str(time.time() + cluster.grace_s)
    cluster.touch(pod)


def _owner(item: Object) -> Object:
    return {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "name": item["metadata"]["name"],
        "uid": item["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _controller(item: Object) -> str:
    owners: list[Any] = item["metadata"].get("ownerReferences") or []
    return next((str(each["uid"]) for each in owners if each.get("controller")), "")


def _count(cluster: Cluster, deployment: Object) -> int:
    return sum(each["spec"]["replicas"] for each in _sets(cluster, deployment))


def _updated(cluster: Cluster, deployment: Object) -> None:
    """Say how many pods are of the present template; the API server leaves 0 out."""
    name, status = current_of(cluster, deployment), deployment["status"]
    count = next(
        (
            each["spec"]["replicas"]
            for each in _sets(cluster, deployment)
            if each["metadata"]["name"] == name
        ),
        0,
    )
    if count:
        status["updatedReplicas"] = count
    if count and stuck(cluster, deployment):
        ready = {key: status["replicas"] - count for key in ("readyReplicas", "availableReplicas")}
        status |= ready


def _progress(cluster: Cluster, deployment: Object) -> Object:
    """Return the condition that says whether a rollout goes on; a stuck one has failed at once."""
    if stuck(cluster, deployment):
        status, reason = "False", "ProgressDeadlineExceeded"
    elif deployment["spec"].get("paused"):
        status, reason = "Unknown", "DeploymentPaused"
    else:
        status, reason = "True", "NewReplicaSetAvailable"
    return {"type": "Progressing", "status": status, "reason": reason}


def _status(item: Object, count: int) -> None:
    counts = {"replicas": count, "readyReplicas": count, "availableReplicas": count}
    status: Object = {
        "observedGeneration": item["metadata"]["generation"],
        **(counts if count else {}),
    }
    if item["kind"] != "Deployment":
        status["replicas"] = count
    item["status"] = status
