"""Forms of answers of the simulated Kubernetes that are not the object itself."""

from __future__ import annotations

from hitlportal.demo.servers.kube_cluster import Object, Refusal

# A list of metadata only, as `Accept` asks for it.
METADATA = "as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


def scale(item: Object) -> Object:
    meta, count = item["metadata"], item["spec"].get("replicas", 1)
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept},
        # The API server leaves 0 out.
        "spec": {"replicas": count} if count else {},
        "status": {"replicas": item.get("status", {}).get("replicas", 0)},
    }


def failure(refusal: Refusal) -> Object:
    return {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": refusal.message, "reason": refusal.reason, "code": refusal.code,
    }  # fmt: skip


def only_metadata(items: list[Object], meta: Object) -> Object:
    version = "meta.k8s.io/v1"
    return {
        "kind": "PartialObjectMetadataList", "apiVersion": version, "metadata": meta,
        "items": [
            {"kind": "PartialObjectMetadata", "apiVersion": version, "metadata": each["metadata"]}
            for each in items
        ],
    }  # fmt: skip
