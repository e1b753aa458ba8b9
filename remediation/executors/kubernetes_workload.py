"""Read a workload: its pods, what leads to it, and the portal's own policy about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from audit.tlog.canonical import Json
from remediation.domain.errors import TargetUnobservable
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import kubernetes_calls as calls
from remediation.executors import kubernetes_flows as flows
from remediation.executors import kubernetes_template as templates
from remediation.executors.errors import NotApplied
from remediation.executors.kubernetes_calls import Api, Object
from remediation.executors.kubernetes_origin import origins
from remediation.executors.kubernetes_selectors import Labels, said
from remediation.executors.kubernetes_server import cluster
from remediation.executors.targets import Targets

PLURALS = {"deployment": "deployments", "statefulset": "statefulsets"}
KINDS = {"deployment": "Deployment", "statefulset": "StatefulSet"}
# On the policies that the portal makes; another policy of the same name is not touched.
OURS = ("app.kubernetes.io/managed-by", "hitlportal")
CHANGED = "changed by somebody"
# How far a deployment's pods are those of its template.
COMPLETE, GOES_ON, PAUSED = "complete", "goes on", "paused"
REMOVED, UNSEEN, FAILED = "being removed", "not seen by its controller yet", "makes no progress"


@dataclass(frozen=True)
class Workload:
    """A workload with its pods. `others`: pods that its selector matches and that are not its own.

    `policy` is the policy with the name of ours, whoever made it. `sets`: a deployment's own
    replica sets.
    """

    item: Object
    pods: tuple[Object, ...]
    others: tuple[Object, ...]
    policy: Object | None
    shown: Mapping[str, Json] = field(default_factory=dict)
    sets: tuple[Object, ...] = ()

    @property
    def selector(self) -> Mapping[str, Json]:
        found: Mapping[str, Json] = self.item.get("spec", {}).get("selector") or {}
        return found

    @property
    def state(self) -> dict[str, Json]:
        """Return every field that an action on a workload pins."""
        return {
            "isolated": isolated(self.policy, self.selector),
            "selector": said(self.selector),
            "uid": str(self.item["metadata"].get("uid", "")),
            "replicas": str(self.item.get("spec", {}).get("replicas", 1)),
        }


def policy_name(step: Step) -> str:
    """Return the name of our policy for a workload; no two workloads share one."""
    fields = step.target.fields
    return f"hitlportal-{fields['controller']}-{fields['name']}"


def policy(step: Step, selector: Mapping[str, Json], directions: Sequence[Json]) -> dict[str, Json]:
    """Return our policy: it selects the workload's pods, those to come too, and allows nothing.

    It takes the workload's own selector, so no label of a pod is changed: no pod leaves its
    ReplicaSet, which would start another in its place, and the account needs no right to change
    pods, with which it could run anything in them.
    """
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": policy_name(step), "labels": dict([OURS])},
        "spec": {"podSelector": dict(selector), "policyTypes": [*directions]},
    }


def is_ours(found: Object) -> bool:
    return (found.get("metadata", {}).get("labels") or {}).get(OURS[0]) == OURS[1]


def isolated(found: Object | None, selector: Mapping[str, Json]) -> list[Json]:
    """Return the directions that our policy cuts off; one word if it is not as we made it."""
    if found is None or not is_ours(found):
        return []
    spec = found.get("spec", {})
    if said(spec.get("podSelector") or {}) != said(selector) or any(
        spec.get(rules) for _, rules, _ in flows.DIRECTIONS
    ):
        return [CHANGED]
    return [str(one) for one in spec.get("policyTypes") or ()]


def look(step: Step, targets: Targets) -> Workload | None:
    """Read a workload; None if it is not there. Raises TargetUnobservable."""
    at = cluster(targets, step.target.fields["cluster"])
    with at.observing() as api:
        return look_with(api, step)


def existing(step: Step, targets: Targets) -> Workload:
    """Read a workload that is about to be changed. Raises NotApplied."""
    try:
        found = look(step, targets)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error
    if found is None:
        raise NotApplied(f"{step.target.locator} does not exist")
    return found


def look_with(api: Api, step: Step) -> Workload | None:
    """Read a workload with an open API. Raises TargetUnobservable."""
    fields, namespace = step.target.fields, step.target.fields["namespace"]
    plural = PLURALS[fields["controller"]]
    item = api.get(
        calls.WORKLOADS + calls.ONE, plural=plural, namespace=namespace, name=fields["name"]
    )
    if item is None:
        return None
    labels = said(item.get("spec", {}).get("selector") or {})
    selected = api.list(calls.PODS, labels=labels, namespace=namespace)
    own, sets = {str(item["metadata"].get("uid"))}, list[Object]()
    if fields["controller"] == "deployment":
        listed = api.list(calls.REPLICA_SETS, labels=labels, namespace=namespace)
        sets = [each for each in listed if _owner(each) in own]
        own = {str(each["metadata"].get("uid")) for each in sets}
    pods = tuple(pod for pod in selected if _owner(pod) in own and not _has_ended(pod))
    policies = api.list(calls.POLICIES, namespace=namespace)
    name = policy_name(step)
    return Workload(
        item,
        pods,
        tuple(pod for pod in selected if _owner(pod) not in own),
        next((one for one in policies if flows.name_of(one) == name), None),
        _flows(api, step, item, pods, [one for one in policies if flows.name_of(one) != name]),
        tuple(sets),
    )


def _flows(
    api: Api, step: Step, item: Object, pods: Sequence[Object], policies: Sequence[Object]
) -> dict[str, Json]:
    namespace = step.target.fields["namespace"]
    sets = [_labels(item.get("spec", {}).get("template") or {}), *(_labels(pod) for pod in pods)]
    services = flows.services_of(api.list(calls.SERVICES, namespace=namespace), sets)
    ingresses = api.list(calls.INGRESSES, namespace=namespace)
    scalers = api.list(calls.AUTOSCALERS, namespace=namespace)
    return {
        "services": flows.shown(flows.service_said(one) for one in services),
        "ingresses": flows.shown(flows.routes(ingresses, map(flows.name_of, services))),
        "allowed_by": flows.shown(flows.allowing(policies, sets)),
        "named_by": flows.shown(flows.naming(policies, sets)),
        "autoscalers": flows.shown(flows.name_of(one) for one in scalers if _scales(one, step)),
    }


def _scales(scaler: Object, step: Step) -> bool:
    target = scaler.get("spec", {}).get("scaleTargetRef") or {}
    fields = step.target.fields
    return (target.get("kind"), target.get("name")) == (KINDS[fields["controller"]], fields["name"])


def observation(found: Workload | None, pinned: Sequence[str], *, simulated: bool) -> Observation:
    """Return what was seen, with exactly these pinned fields."""
    if found is None:
        return Observation(False, {}, {}, simulated)
    pod = (found.item.get("spec", {}).get("template") or {}).get("spec") or {}
    shown: dict[str, Json] = {
        **found.shown,
        "pods": flows.shown(pod_said(one) for one in found.pods),
        "other_pods": flows.shown(flows.name_of(one) for one in found.others),
        "host_network": bool(pod.get("hostNetwork"))
        or any(one.get("spec", {}).get("hostNetwork") for one in found.pods),
        "service_account": str(pod.get("serviceAccountName") or "default"),
        "rollout": rollout(found.item),
        "owners": flows.shown(origins(found.item["metadata"])),
        "template": flows.shown(templates.said(templates.of(found.item))),
        # Of an action that brings another template.
        "template_after": [],
        "template_changes": [],
    }
    state = found.state
    return Observation(True, {name: state[name] for name in pinned}, shown, simulated)


def rollout(item: Object) -> str:
    """Return how far the pods are those of the template, as the deployment itself says it."""
    meta, spec, status = (item.get(key) or {} for key in ("metadata", "spec", "status"))
    held = status.get("conditions")
    conditions = [one for one in held if isinstance(one, dict)] if isinstance(held, list) else []
    progress = next((one for one in conditions if one.get("type") == "Progressing"), {})
    counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    asked, noticed = meta.get("generation"), status.get("observedGeneration", 0)
    if meta.get("deletionTimestamp"):
        return REMOVED
    if spec.get("paused"):
        return PAUSED
    if not isinstance(asked, int) or not isinstance(noticed, int) or noticed < asked:
        return UNSEEN
    if progress.get("status") == "False":
        return f"{FAILED} ({str(progress.get('reason'))[:80]})"
    return COMPLETE if all(one == spec.get("replicas", 1) for one in counts) else GOES_ON


def pod_said(pod: Object) -> str:
    status, spec = pod.get("status") or {}, pod.get("spec") or {}
    state = "ending" if pod["metadata"].get("deletionTimestamp") else status.get("phase", "?")
    return f"{flows.name_of(pod)} ({state}, node {spec.get('nodeName') or 'none'})"


def _has_ended(pod: Object) -> bool:
    """Return whether nothing of a pod runs any more: its object stays until it is collected."""
    return (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded")


def _owner(item: Object) -> str:
    """Return the uid of an object's controller; "" if it has none."""
    owners = item["metadata"].get("ownerReferences") or ()
    return next((str(one.get("uid")) for one in owners if one.get("controller")), "")


def _labels(item: Object) -> Labels:
    found: Labels = (item.get("metadata") or {}).get("labels") or {}
    return found
