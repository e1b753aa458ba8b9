"""Delete the secret with one long-lived token of a service account, without reading the token.

A secret is looked at by lists of metadata alone, which the API server makes: of this name, and of
this name and type. The type of a secret can never be changed, so its identifier says it, too. Of
its annotations only those of known names are kept: `kubectl apply` notes a copy of the data there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_token import (
    ANOTHER_TYPE,
    DELETE,
    DELETED,
    IN_FORCE,
    REFUSED,
    TOKEN_SECRET,
)
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import kubernetes_calls as calls
from remediation.executors import kubernetes_flows as flows
from remediation.executors.base import Deadline, Outcome, Point, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied, RollbackFailed
from remediation.executors.kubernetes_binding import aliases, naming
from remediation.executors.kubernetes_calls import Api, Object
from remediation.executors.kubernetes_origin import origins
from remediation.executors.kubernetes_server import cluster
from remediation.executors.kubernetes_steps import KubernetesStep, operating
from remediation.executors.kubernetes_workload import pod_said
from remediation.executors.targets import Targets

TYPE = "kubernetes.io/service-account-token"
ACCOUNT, ACCOUNT_UID = (f"kubernetes.io/service-account.{name}" for name in ("name", "uid"))
LAST_USED = "kubernetes.io/legacy-token-last-used"
INVALID_SINCE = "kubernetes.io/legacy-token-invalid-since"
# The API server notes the first use of a day in the secret, which gives it another version.
ATTEMPTS = 3
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_UID = re.compile(r"[0-9A-Za-z-]{1,64}")
NOT_THERE: Mapping[str, Json] = {
    "status": DELETED, "uid": "", "service_account": "", "account_uid": "",
}  # fmt: skip


class DeleteToken(KubernetesStep):
    """Delete exactly the secret that was seen."""

    spec = DELETE

    def observe(self, step: Step, targets: Targets) -> Observation:
        fields = step.target.fields
        at = cluster(targets, fields["cluster"])
        with at.observing() as api:
            status, found = _read(api, step)
            # Read also where the secret is there, so that a missing right shows before the change.
            namespace = api.get(calls.NAMESPACE, namespace=fields["namespace"])
            if found is None and namespace is None:
                return Observation(False, {}, {}, at.simulated)
            state = _state(status, found)
            return Observation(True, state, _shown(api, step, found, state), at.simulated)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        """A token that the cluster marked as invalid counts as one that is taken: a mark goes."""
        if not observation.exists:
            return (Point(step.target.locator, None),)
        return (Point(step.target.locator, observation.state["status"] == DELETED),)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        state = observation.state
        if state["status"] == DELETED:
            raise NotApplied(
                "there is no secret of this name, or it is being removed: it never was one, or its"
                " token has ended"
            )
        if state["status"] == ANOTHER_TYPE:
            raise NotApplied("the secret is no token of a service account")
        if not (state["service_account"] and state["account_uid"]):
            raise NotApplied("the secret names no service account, so there is no token in it")

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Another secret of the same name does not say who deleted the first one."""
        uid = observation.state.get("uid")
        if observation.exists and uid and uid != before.get("uid"):
            return None
        return super().settled_from(step, observation, before, made)

    def _change(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> bool:
        """Delete the secret. Raises NotApplied and OutcomeUnknown."""
        for left in reversed(range(ATTEMPTS)):
            status, found = _existing(step, targets)
            self._refuse_changed(_state(status, found), seen)
            try:
                with operating(step, targets, clearance) as api:
                    return found is not None and _delete(api, step, found, deadline)
            except calls.ObjectChanged:
                if not left:
                    raise
        raise AssertionError("the last attempt returns or raises")

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        refuse_without_clearance(clearance)
        raise RollbackFailed("a deleted token cannot come back: the portal never had it")


def _read(api: Api, step: Step) -> tuple[str, Object | None]:
    """Return the status of the secret and its metadata. Raises TargetUnobservable."""
    fields = step.target.fields
    named, namespace = f"metadata.name={fields['name']}", fields["namespace"]
    for more, token in ((f",type={TYPE}", True), ("", False)):
        found = api.metadata(calls.SECRETS, fields=named + more, namespace=namespace)
        if len(found) > 1 or not all(_is_secret(one, fields["name"]) for one in found):
            raise TargetUnobservable("Kubernetes: the answer is no secret of this name")
        if found and not token:
            return ANOTHER_TYPE, found[0]
        if found:
            # An empty mark is none.
            marked = (found[0].get("labels") or {}).get(INVALID_SINCE)
            return REFUSED if marked else IN_FORCE, found[0]
    return DELETED, None


def _is_secret(meta: Object, name: str) -> bool:
    """Return whether metadata has the form of a secret's, so that nothing is read wrongly."""
    held = [meta.get(key) or {} for key in ("labels", "annotations")]
    if meta.get("name") != name or not all(isinstance(one, dict) for one in held):
        return False
    texts = [text for one in held for text in one.values()]
    texts += [meta.get("uid"), meta.get("resourceVersion")]
    if not all(isinstance(text, str) for text in texts) or not _UID.fullmatch(meta["uid"]):
        return False
    account, uid = (held[1].get(key, "") for key in (ACCOUNT, ACCOUNT_UID))
    named = re.fullmatch(TOKEN_SECRET.fields["name"], account, re.ASCII)
    lists = [meta.get("ownerReferences") or [], meta.get("finalizers") or []]
    return (
        bool(meta["resourceVersion"])
        and (not account or bool(named))
        and (not uid or bool(_UID.fullmatch(uid)))
        and all(isinstance(one, list) for one in lists)
        and all(isinstance(one, dict) for one in lists[0])
        and all(isinstance(one, str) for one in lists[1])
    )


def _state(status: str, meta: Object | None) -> dict[str, Json]:
    """Return the state. A secret that is being removed has no token in force, and never again."""
    if meta is None or meta.get("deletionTimestamp"):
        return dict(NOT_THERE)
    notes = meta.get("annotations") or {} if status != ANOTHER_TYPE else {}
    return {
        "status": status,
        "uid": meta["uid"],
        "service_account": notes.get(ACCOUNT, ""),
        "account_uid": notes.get(ACCOUNT_UID, ""),
    }


def _existing(step: Step, targets: Targets) -> tuple[str, Object | None]:
    try:
        with cluster(targets, step.target.fields["cluster"]).observing() as api:
            return _read(api, step)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error


def _shown(api: Api, step: Step, meta: Object | None, state: Mapping[str, Json]) -> dict[str, Json]:
    namespace, name = step.target.fields["namespace"], step.target.fields["name"]
    account = f"ServiceAccount:{namespace}/{state['service_account']}"
    named = aliases(account) if state["service_account"] else set()
    here = api.list(calls.BINDINGS, namespace=namespace)
    day = ((meta or {}).get("labels") or {}).get(LAST_USED, "")
    ending = ["it is being removed"] if (meta or {}).get("deletionTimestamp") else []
    return {
        "last_used": day if _DAY.fullmatch(day) else None,
        "pods": flows.shown(
            pod_said(one)
            for one in api.list(calls.PODS, namespace=namespace)
            if name in {*secrets_of(one.get("spec") or {})}
        ),
        "bindings": flows.shown(
            [
                *naming(here, named, namespace, "role binding"),
                *naming(api.list(calls.CLUSTER_BINDINGS), named, "", "cluster role binding"),
            ]
        ),
        "owners": flows.shown(origins(meta or {})),
        "finalizers": flows.shown([*((meta or {}).get("finalizers") or ()), *ending]),
    }


def secrets_of(pod: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of the secrets that a pod's volumes and variables take."""
    for volume in pod.get("volumes") or ():
        yield str((volume.get("secret") or {}).get("secretName", ""))
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield str((source.get("secret") or {}).get("name", ""))
    for container in (*(pod.get("containers") or ()), *(pod.get("initContainers") or ())):
        for variable in container.get("env") or ():
            taken = (variable.get("valueFrom") or {}).get("secretKeyRef") or {}
            yield str(taken.get("name", ""))
        for source in container.get("envFrom") or ():
            yield str((source.get("secretRef") or {}).get("name", ""))


def _delete(api: Api, step: Step, meta: Object, deadline: Deadline) -> bool:
    fields, path = step.target.fields, calls.SECRETS + calls.ONE
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        # Exactly the secret that was seen, as it was seen.
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    try:
        api.change(
            "DELETE", path, body, deadline, namespace=fields["namespace"], name=fields["name"]
        )
    except calls.ObjectGone:
        return False
    return True
