"""Remove a service account and make it again: the way to end every token of one.

The two are plans of their own, each with one changing call, so no crash leaves a half. Until the
second one the account is missing; what it had is in the plan of the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_account import (
    LONGEST_SETTING,
    MOST_SETTINGS,
    REMOVE,
    RESTORE,
)
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.secrets.masking import mask_text
from remediation.executors import kubernetes_calls as calls
from remediation.executors import kubernetes_flows as flows
from remediation.executors.base import Deadline, Point, Settled, Snapshot
from remediation.executors.errors import NotApplied
from remediation.executors.kubernetes_binding import aliases, naming
from remediation.executors.kubernetes_calls import Api, Object
from remediation.executors.kubernetes_server import cluster
from remediation.executors.kubernetes_steps import KubernetesStep, operating
from remediation.executors.kubernetes_workload import pod_said
from remediation.executors.targets import Targets

# The cluster makes this one again by itself, in every namespace.
DEFAULT = "default"
# A whole copy of the object, for `kubectl apply`; it would be one too many, and soon an old one.
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
# No plan can name a setting of these forms, so an account that has one is not removed.
TOO_LONG = "too long"
HELD_BACK = "with a secret"
ENDING = "it is being removed"


class _Account(KubernetesStep):
    """The common parts of both directions."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        fields = step.target.fields
        at = cluster(targets, fields["cluster"])
        with at.observing() as api:
            found = _read(api, step)
            # Read also where the account is there, so that a missing right shows before the change.
            namespace = api.get(calls.NAMESPACE, namespace=fields["namespace"])
            if found is None and namespace is None:
                return Observation(False, {}, {}, at.simulated)
            state = _state(found)
            pinned = {name: state[name] for name in self.spec.pin_fields}
            return Observation(True, pinned, _shown(api, step, found), at.simulated)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        if not observation.exists:
            return (Point(step.target.locator, None),)
        return (Point(step.target.locator, not observation.state["present"]),)

    def _same(self, state: Mapping[str, Json], snapshot: Mapping[str, Json]) -> bool:
        """An account that was made again has another identifier, and that is what it is for."""
        return _without_uid(state) == _without_uid(snapshot)

    def _change(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> bool:
        """Remove the account or make it. Raises NotApplied and OutcomeUnknown."""
        found = _existing(step, targets)
        self._refuse_changed(_state(found), seen)
        with operating(step, targets, clearance) as api:
            if not wanted["present"]:
                return found is not None and _remove(api, step, found, deadline)
            if found is not None:
                raise NotApplied("an account of this name is there already")
            _make(api, step, wanted["settings"], deadline)
            return True


class RemoveAccount(_Account):
    """Remove exactly the account that was seen."""

    spec = REMOVE

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        """Another account of the same name does not say who removed the first one."""
        state = observation.state
        if observation.exists and state["present"] and state["uid"] != before.get("uid"):
            return None
        return super().settled_from(step, observation, before, made)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        state, shown = observation.state, observation.shown
        if not state["present"]:
            return
        if step.target.fields["name"] == DEFAULT:
            raise NotApplied("the cluster makes the default account again by itself at once")
        for name, why in (
            ("owners", "another object owns it, and a new account would not be its own"),
            ("finalizers", "finalizers hold its removal up"),
        ):
            if shown[name]:
                raise NotApplied(f"{why}: {shown[name]}"[:300])
        held = state["settings"]
        assert isinstance(held, list)
        if any(str(one).startswith((TOO_LONG, HELD_BACK)) for one in held):
            raise NotApplied(f"a plan cannot keep its settings: {held}"[:300])
        if held != step.parameters["settings"]:
            raise NotApplied(f"its settings are not those of the plan: {held}"[:300])


class RestoreAccount(_Account):
    """Make a removed account again."""

    spec = RESTORE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        settings = step.parameters["settings"]
        assert isinstance(settings, list)
        _refuse_twins([str(one) for one in settings])
        if observation.state["present"] and observation.state["settings"] != settings:
            raise NotApplied("an account of this name is there, and it has other settings")
        if _is_ending(observation):
            raise NotApplied(f"an account of this name is there, but {ENDING}")

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        found = super().settled_from(step, observation, before, made)
        return None if _is_ending(observation) else found

    def _why_not(self, step: Step, found: Observation) -> str:
        """One that is on its way out is not there again, whoever removes it."""
        return ENDING if _is_ending(found) else super()._why_not(step, found)


def _is_ending(found: Observation) -> bool:
    """Return whether the account is being removed, and only finalizers still hold it."""
    held = found.shown.get("finalizers")
    return isinstance(held, list) and ENDING in held


def _refuse_twins(settings: list[str]) -> None:
    if settings != sorted(settings):
        raise NotApplied("the settings of the plan are not in order")
    keys = [one.partition("=")[0] for one in settings if not one.startswith("automount:")]
    keys += ["automount" for one in settings if one.startswith("automount:")]
    if len(keys) != len(set(keys)):
        raise NotApplied("the settings of the plan name one label, annotation or option twice")


def _without_uid(state: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in state.items() if name != "uid"}


def _state(found: Object | None) -> dict[str, Json]:
    if found is None:
        return {"present": False, "settings": [], "uid": ""}
    uid = str(found["metadata"].get("uid", ""))
    return {"present": True, "settings": [*_settings(found)], "uid": uid}


def _settings(found: Object) -> list[str]:
    """Return what a new account gets again, in order; what no plan can keep is marked."""
    texts = sorted(_said(found))
    if len(texts) > MOST_SETTINGS:
        return [f"{TOO_LONG}: {len(texts)} settings"]
    return [_keepable(one) for one in texts]


def _keepable(setting: str) -> str:
    """Return a setting, or its name with the reason why it stands in no plan and no record."""
    name = setting.partition("=")[0][:100]
    if len(setting) > LONGEST_SETTING:
        return f"{TOO_LONG}: {name}"
    return setting if mask_text(setting) == setting else f"{HELD_BACK}: {mask_text(name)}"


def _said(found: Object) -> Iterator[str]:
    meta = found["metadata"]
    for form, held in (("label", "labels"), ("annotation", "annotations")):
        for key, value in (meta.get(held) or {}).items():
            if key != LAST_APPLIED:
                yield f"{form}:{key}={value}"
    if isinstance(found.get("automountServiceAccountToken"), bool):
        yield f"automount:{str(found['automountServiceAccountToken']).lower()}"
    for form, held in (("pull_secret", "imagePullSecrets"), ("secret", "secrets")):
        yield from {f"{form}:{one.get('name')}" for one in found.get(held) or ()}


def _body(name: str, settings: Iterable[str]) -> dict[str, Any]:
    """Return the account with these settings."""
    meta: dict[str, Any] = {"name": name}
    body: dict[str, Any] = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta}
    for one in settings:
        form, _, value = one.partition(":")
        key, _, text = value.partition("=")
        match form:
            case "label" | "annotation":
                meta.setdefault(f"{form}s", {})[key] = text
            case "automount":
                body["automountServiceAccountToken"] = value == "true"
            case "pull_secret":
                body.setdefault("imagePullSecrets", []).append({"name": value})
            case _:
                body.setdefault("secrets", []).append({"name": value})
    return body


def _read(api: Api, step: Step) -> Object | None:
    fields = step.target.fields
    path = calls.ACCOUNTS + calls.ONE
    found = api.get(path, namespace=fields["namespace"], name=fields["name"])
    if found is not None and not _is_account(found, fields["name"]):
        raise TargetUnobservable("Kubernetes: the answer is no service account of this name")
    return found


def _is_account(found: Object, name: str) -> bool:
    """Return whether an answer has the form of the account, so that nothing of it gets lost."""
    meta = found.get("metadata")
    if not isinstance(meta, dict) or meta.get("name") != name:
        return False
    texts = [meta.get("uid"), meta.get("resourceVersion")]
    owners, named = meta.get("ownerReferences") or [], []
    for key in ("imagePullSecrets", "secrets"):
        named += _listed(found.get(key))
    for key in ("labels", "annotations"):
        held = meta.get(key) or {}
        texts += [*held.values()] if isinstance(held, dict) else [None]
    texts += [one.get("name") if isinstance(one, dict) else None for one in named]
    return (
        all(isinstance(text, str) for text in texts)
        and all(texts[:2])
        and all(isinstance(one, dict) for one in _listed(owners))
        and all(isinstance(one, str) for one in _listed(meta.get("finalizers")))
        and found.get("automountServiceAccountToken") in (None, True, False)
    )


def _listed(held: object) -> list[Any]:
    """Return the members of a list; of what is none, one that is never right."""
    return held if isinstance(held, list) else [] if held is None else [None]


def _existing(step: Step, targets: Targets) -> Object | None:
    try:
        with cluster(targets, step.target.fields["cluster"]).observing() as api:
            return _read(api, step)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error


def _shown(api: Api, step: Step, found: Object | None) -> dict[str, Json]:
    """Return who uses the account and what holds it. Pods that have ended use it no longer."""
    fields = step.target.fields
    namespace, name = fields["namespace"], fields["name"]
    users = api.list(calls.PODS, fields=f"spec.serviceAccountName={name}", namespace=namespace)
    named = aliases(f"ServiceAccount:{namespace}/{name}")
    here = api.list(calls.BINDINGS, namespace=namespace)
    meta = (found or {}).get("metadata") or {}
    ending = [ENDING] if meta.get("deletionTimestamp") else []
    return {
        "pods": flows.shown(
            pod_said(one)
            for one in users
            if (one.get("status") or {}).get("phase") not in ("Failed", "Succeeded")
        ),
        "bindings": flows.shown(
            [
                *naming(here, named, namespace, "role binding"),
                *naming(api.list(calls.CLUSTER_BINDINGS), named, "", "cluster role binding"),
            ]
        ),
        "owners": flows.shown(
            f"{one.get('kind')} {one.get('name')}" for one in meta.get("ownerReferences") or ()
        ),
        # Not among the finalizers: whoever adds many of them would have it cut from the list.
        "finalizers": [*ending, *flows.shown(map(str, meta.get("finalizers") or ()))],
    }


def _remove(api: Api, step: Step, found: Object, deadline: Deadline) -> bool:
    meta, fields = found["metadata"], step.target.fields
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        # Exactly the account that was seen, as it was seen.
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    path = calls.ACCOUNTS + calls.ONE
    try:
        api.change(
            "DELETE", path, body, deadline, namespace=fields["namespace"], name=fields["name"]
        )
    except calls.ObjectGone:
        return False
    return True


def _make(api: Api, step: Step, settings: Json, deadline: Deadline) -> None:
    assert isinstance(settings, list)
    fields = step.target.fields
    body = _body(fields["name"], map(str, settings))
    api.change("POST", calls.ACCOUNTS, body, deadline, namespace=fields["namespace"])
