"""Scale a workload to zero, and back to the count that the plan names.

The change carries the version of the workload that was read, so one that somebody else changed in
between is read again and judged again, never overwritten.
"""

from __future__ import annotations

from collections.abc import Mapping

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_workload import SCALE_BACK, SCALE_TO_ZERO
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
    PLURALS,
    Workload,
    existing,
    look,
    observation,
)
from remediation.executors.targets import Targets

SCALE = f"{calls.WORKLOADS}{calls.ONE}/scale"
# A workload's version also changes with its status, so a refused change is tried again.
ATTEMPTS = 3
# Pods have 30 s to end unless their template says otherwise.
ENDING_SECONDS = 50.0
NONE = "0"


class _Count(KubernetesStep):
    """The common parts of both directions."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        at = cluster(targets, step.target.fields["cluster"])
        return observation(look(step, targets), self.spec.pin_fields, simulated=at.simulated)

    def _change(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> bool:
        """Set the count. Raises NotApplied and OutcomeUnknown."""
        for left in reversed(range(ATTEMPTS)):
            found = existing(step, targets)
            self._refuse_changed(found.state, seen)
            try:
                with operating(step, targets, clearance) as api:
                    _set(api, step, found, str(wanted["replicas"]), deadline)
                return True
            except calls.ObjectChanged:
                if not left:
                    raise
        raise AssertionError("the last attempt returns or raises")


class ScaleToZero(_Count):
    """Set the count to 0 and wait until the pods are gone."""

    spec = SCALE_TO_ZERO
    verify_seconds = ENDING_SECONDS

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        held = observation.state["replicas"]
        if held not in (NONE, step.parameters["replicas"]):
            raise NotApplied(
                f"it has {held} replicas, and the plan would give it"
                f" {step.parameters['replicas']} back"
            )

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        place = f"pods of {step.target.locator}"
        if not observation.exists:
            return (Point(place, None),)
        pods = observation.shown["pods"]
        count = len(pods) if isinstance(pods, list) else 0
        off = observation.state["replicas"] == NONE
        return (Point(place, off and not count, (f"{count} pods still run",) if count else ()),)

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return traces(step, targets)


class ScaleBack(_Count):
    """Give a workload with no replicas the count that the plan names."""

    spec = SCALE_BACK

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        held = observation.state["replicas"]
        if held not in (NONE, step.parameters["replicas"]):
            raise NotApplied(f"it has {held} replicas, not 0")


def _set(api: calls.Api, step: Step, found: Workload, replicas: str, deadline: Deadline) -> None:
    fields, version = step.target.fields, found.item["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": version}, "spec": {"replicas": int(replicas)}}
    api.change(
        "PATCH", SCALE, body, deadline, plural=PLURALS[fields["controller"]],
        namespace=fields["namespace"], name=fields["name"],
    )  # fmt: skip
