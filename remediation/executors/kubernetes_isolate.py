"""Cut a workload off from the network, and let it use the network again.

One network policy for a workload, made or removed by one call: after a lost answer it is there or
it is not, and its name says which. Policies add up, so those of others that allow traffic of the
pods stay in force; they are shown, and the workload then does not count as without access.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_workload import ISOLATE, RELEASE
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import kubernetes_calls as calls
from remediation.executors.base import Deadline, Point
from remediation.executors.errors import NotApplied
from remediation.executors.kubernetes_server import cluster
from remediation.executors.kubernetes_steps import KubernetesStep, operating
from remediation.executors.kubernetes_traces import traces
from remediation.executors.kubernetes_workload import (
    CHANGED,
    Workload,
    existing,
    is_ours,
    isolated,
    look,
    observation,
    policy,
    policy_name,
)
from remediation.executors.targets import Targets

BOTH = {"Ingress", "Egress"}


class _Isolation(KubernetesStep):
    """The common parts of both directions."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        at = cluster(targets, step.target.fields["cluster"])
        return observation(look(step, targets), self.spec.pin_fields, simulated=at.simulated)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"network of {step.target.locator}"
        if not observation.exists:
            return (Point(place, None),)
        cut = observation.state["isolated"]
        whole = isinstance(cut, list) and {*map(str, cut)} == BOTH
        open_ = observation.shown["allowed_by"] or observation.shown["host_network"]
        if not whole or open_:
            return (Point(place, False),)
        # The API shows neither whether the network plugin enforces policies, nor what other kinds
        # of policy allow, nor connections that are open.
        return (Point(place, True), Point("what the network plugin lets through", None))

    def _change(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> bool:
        """Make our policy, or remove it. Raises NotApplied and OutcomeUnknown."""
        found = existing(step, targets)
        self._refuse_changed(found.state, seen)
        directions = wanted["isolated"]
        assert isinstance(directions, list)
        with operating(step, targets, clearance) as api:
            if directions:
                return _make(api, step, found, directions, deadline)
            return _remove(api, step, found, deadline)


class Isolate(_Isolation):
    """Make a policy that selects the workload's pods and allows nothing."""

    spec = ISOLATE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        held = observation.state["isolated"]
        if held and held != step.parameters["directions"]:
            raise NotApplied(f"a policy of the portal is there already: {held}")
        if observation.shown["host_network"]:
            raise NotApplied("its pods are in the network of their node, where no policy applies")
        if observation.shown["other_pods"]:
            raise NotApplied(
                f"its selector also matches pods of others: {observation.shown['other_pods']}"[:300]
            )
        if not observation.state["selector"]:
            raise NotApplied("its selector matches every pod of the namespace")

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        """Cut off, a pod may fail its checks and be replaced: what it shows now is kept."""
        return traces(step, targets)


class Release(_Isolation):
    """Remove the portal's policy."""

    spec = RELEASE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        held = observation.state["isolated"]
        if not held:
            return
        if held == [CHANGED]:
            raise NotApplied("the portal's policy was changed by somebody; a person must look")
        if held != step.parameters["directions"]:
            raise NotApplied(f"it is cut off otherwise: {held}")


def _make(
    api: calls.Api, step: Step, found: Workload, directions: list[Json], deadline: Deadline
) -> bool:
    if found.policy is not None:
        if isolated(found.policy, found.selector) == directions:
            return False
        raise NotApplied(f"a network policy {policy_name(step)} is there, and it is another one")
    body = policy(step, found.selector, directions)
    api.change("POST", calls.POLICIES, body, deadline, namespace=step.target.fields["namespace"])
    return True


def _remove(api: calls.Api, step: Step, found: Workload, deadline: Deadline) -> bool:
    if found.policy is None:
        return False
    if not is_ours(found.policy):
        raise NotApplied(f"the network policy {policy_name(step)} is not the portal's")
    meta = found.policy["metadata"]
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        # Exactly the policy that was seen, as it was seen.
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    try:
        api.change(
            "DELETE", calls.POLICIES + calls.ONE, body, deadline,
            namespace=step.target.fields["namespace"], name=policy_name(step),
        )  # fmt: skip
    except calls.ObjectGone:
        return False
    return True
