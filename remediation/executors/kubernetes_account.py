"""Remove a service account and make it again: the way to end every token of one.

The two are plans of their own, each with one changing call, so no crash leaves a half. Until the
second one the account is missing; what it had is in the plan of the first.

An account that is made again has the mark of the step that made it. Without that mark one with the
same settings is somebody else's, who may hold its tokens: it is no success of the step. The mark
is no secret, so it tells a crash of ours from others; it is no proof against who knows the run.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_account import REMOVE, RESTORE
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.domain.store_place import version_name
from remediation.executors import kubernetes_calls as calls
from remediation.executors import kubernetes_flows as flows
from remediation.executors.base import Deadline, Outcome, Point, Settled, Snapshot
from remediation.executors.credentials import refuse_without_clearance
from remediation.executors.errors import NotApplied
from remediation.executors.kubernetes_account_form import (
    HELD_BACK,
    TOO_LONG,
    body,
    is_account,
    made_by,
    refuse_own_notes,
    refuse_twins,
    state_of,
)
from remediation.executors.kubernetes_binding import aliases, naming
from remediation.executors.kubernetes_calls import Api, Object
from remediation.executors.kubernetes_server import cluster
from remediation.executors.kubernetes_steps import KubernetesStep, operating
from remediation.executors.kubernetes_workload import pod_said
from remediation.executors.targets import Targets

# The cluster makes this one again by itself, in every namespace.
DEFAULT = "default"
ENDING = "it is being removed"
FOREIGN = (
    "an account of this name is there that this step did not make; who made it may hold its tokens"
)


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
            state = state_of(found)
            pinned = {name: state[name] for name in self.spec.pin_fields}
            return Observation(True, pinned, _shown(api, step, found), at.simulated)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        if not observation.exists:
            return (Point(step.target.locator, None),)
        return (Point(step.target.locator, not observation.state["present"]),)

    def apply(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        self._mark(clearance)
        return super().apply(clearance, step, targets, deadline)

    def verify(
        self, clearance: Clearance, step: Step, targets: Targets, deadline: Deadline
    ) -> Outcome:
        self._mark(clearance)
        return super().verify(clearance, step, targets, deadline)

    def rollback(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        snapshot: Snapshot,
        deadline: Deadline,
    ) -> Outcome:
        self._mark(clearance)
        return super().rollback(clearance, step, targets, snapshot, deadline)

    def _mark(self, clearance: Clearance) -> None:
        """Take the name of this step of this run, the same one after a crash."""
        refuse_without_clearance(clearance)
        self.version = version_name(clearance.proposal_id, clearance.step)

    def _is_foreign(self, found: Observation, before: Snapshot) -> bool:
        """Return whether the account is there, and neither the one of before nor this step's."""
        if not found.exists or not found.state["present"]:
            return False
        same = before.get("present") is True and before.get("uid") == found.state.get("uid")
        return not same and found.shown["made_by"] != self.version

    def _refuse_foreign(self, step: Step, seen: Observation, snapshot: Snapshot) -> None:
        super()._refuse_foreign(step, seen, snapshot)
        if self._is_foreign(seen, snapshot):
            raise NotApplied(f"somebody else changed the target since: {FOREIGN}")

    def _is_restored(self, found: Observation, snapshot: Snapshot) -> bool:
        return super()._is_restored(found, snapshot) and not self._is_foreign(found, snapshot)

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
        self._refuse_changed(state_of(found), seen)
        with operating(step, targets, clearance) as api:
            if not wanted["present"]:
                return found is not None and _remove(api, step, found, deadline)
            if found is not None:
                raise NotApplied("an account of this name is there already")
            _make(api, step, wanted["settings"], self.version, deadline)
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
        refuse_twins([str(one) for one in settings])
        refuse_own_notes([str(one) for one in settings])
        if observation.state["present"] and observation.state["settings"] != settings:
            raise NotApplied("an account of this name is there, and it has other settings")
        if _is_ending(observation):
            raise NotApplied(f"an account of this name is there, but {ENDING}")
        if observation.state["present"]:
            raise NotApplied(FOREIGN)

    def _refuse_reached(self, seen: Observation) -> None:
        if self._is_foreign(seen, {}):
            raise NotApplied(FOREIGN)

    def settled_from(
        self, step: Step, observation: Observation, before: Snapshot, made: Mapping[str, str]
    ) -> Settled | None:
        found = super().settled_from(step, observation, before, made)
        # Without a name of the step, nobody asks for a run.
        foreign = bool(self.version) and self._is_foreign(observation, before)
        return None if foreign or _is_ending(observation) else found

    def _why_not(self, step: Step, found: Observation) -> str:
        """One that is on its way out is not there again, whoever removes it."""
        if _is_ending(found):
            return ENDING
        return FOREIGN if self._is_foreign(found, {}) else super()._why_not(step, found)


def _is_ending(found: Observation) -> bool:
    """Return whether the account is being removed, and only finalizers still hold it."""
    held = found.shown.get("finalizers")
    return isinstance(held, list) and ENDING in held


def _without_uid(state: Mapping[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in state.items() if name != "uid"}


def _read(api: Api, step: Step) -> Object | None:
    fields = step.target.fields
    path = calls.ACCOUNTS + calls.ONE
    found = api.get(path, namespace=fields["namespace"], name=fields["name"])
    if found is not None and not is_account(found, fields["name"]):
        raise TargetUnobservable("Kubernetes: the answer is no service account of this name")
    return found


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
        "made_by": made_by(found),
        # Not among the finalizers: whoever adds many of them would have it cut from the list.
        "finalizers": [*ending, *flows.shown(map(str, meta.get("finalizers") or ()))],
    }


def _remove(api: Api, step: Step, found: Object, deadline: Deadline) -> bool:
    meta, fields = found["metadata"], step.target.fields
    options = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        # Exactly the account that was seen, as it was seen.
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    path = calls.ACCOUNTS + calls.ONE
    try:
        api.change(
            "DELETE", path, options, deadline, namespace=fields["namespace"], name=fields["name"]
        )
    except calls.ObjectGone:
        return False
    return True


def _make(api: Api, step: Step, settings: Json, mark: str, deadline: Deadline) -> None:
    assert isinstance(settings, list)
    fields = step.target.fields
    made = body(fields["name"], map(str, settings), mark)
    api.change("POST", calls.ACCOUNTS, made, deadline, namespace=fields["namespace"])
