"""What a workload's pods show before they end: a description, and the end of each log.

Pods and their logs are gone once they end. A log is masked as evidence is; environment variables
are never read into it, since they often hold secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.plan import Step
from remediation.domain.secrets.masking import mask_text
from remediation.executors import kubernetes_calls as calls
from remediation.executors.base import Deadline
from remediation.executors.kubernetes_calls import Api, Object
from remediation.executors.kubernetes_flows import LONGEST, name_of
from remediation.executors.kubernetes_server import cluster
from remediation.executors.kubernetes_workload import look_with
from remediation.executors.targets import Targets

MOST_PODS = 6
MOST_CONTAINERS = 3
LINES = 40
READ_BYTES = 16_384
# A record keeps this much of a text (domain/traces.py); the end is what happened last.
MOST_LOG = 300
# For all logs together, and for one: the clearance runs meanwhile.
MOST_SECONDS, LOG_SECONDS = 6.0, 2.0


def traces(step: Step, targets: Targets) -> dict[str, Json]:
    """Return the pods of a workload and the ends of their logs. Raises TargetUnobservable."""
    until = Deadline.within(MOST_SECONDS)
    with cluster(targets, step.target.fields["cluster"]).observing() as api:
        found = look_with(api, step)
        if found is None or not found.pods:
            return {}
        pods = sorted(found.pods, key=name_of)
        return {
            "pods": [_described(api, step, pod, until) for pod in pods[:MOST_PODS]],
            "pods_left_out": max(0, len(pods) - MOST_PODS),
        }


def _described(api: Api, step: Step, pod: Object, until: Deadline) -> Json:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return {
        "name": name_of(pod),
        "uid": _cut(pod["metadata"].get("uid")),
        "node": _cut(spec.get("nodeName")),
        "address": _cut(status.get("podIP")),
        "account": _cut(spec.get("serviceAccountName")),
        "since": _cut(status.get("startTime")),
        "phase": _cut(status.get("phase")),
        "containers": [*_containers(api, step, pod, status, until)],
    }


def _containers(
    api: Api, step: Step, pod: Object, status: Mapping[str, Any], until: Deadline
) -> Iterator[dict[str, Json]]:
    for one in (status.get("containerStatuses") or ())[:MOST_CONTAINERS]:
        restarts = one.get("restartCount")
        yield {
            "name": _cut(one.get("name")),
            "image": _cut(one.get("image")),
            "image_id": _cut(one.get("imageID")),
            "restarts": restarts if isinstance(restarts, int) else 0,
            "log": _log(api, step, pod, str(one.get("name", "")), until),
        }


def _log(api: Api, step: Step, pod: Object, container: str, until: Deadline) -> str | None:
    """Return the end of a log, masked; None if it cannot be read, or comes too slowly.

    Its bytes come from the pod's node, which an intruder may hold: it must not hold up the step.
    """
    if until.passed:
        return None
    query = {"container": container, "tailLines": str(LINES), "limitBytes": str(READ_BYTES)}
    names = {"namespace": step.target.fields["namespace"], "name": name_of(pod)}
    try:
        text = api.text(calls.LOG, query, within=min(LOG_SECONDS, until.left), **names)
    except TargetUnobservable:
        return None
    if text is None:
        return None
    if len(text.encode()) >= READ_BYTES:
        text = text.rpartition("\n")[0]  # the API cut the last line
    # Masked before it is cut: a half of a secret is not found.
    return mask_text(text)[-MOST_LOG:]


def _cut(value: object) -> str:
    return str(value or "")[:LONGEST]
