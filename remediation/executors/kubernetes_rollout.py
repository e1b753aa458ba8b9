"""Bring back the pod template of an earlier revision of a deployment, and the present one again.

A revision is a number that the cluster notes at a replica set. A replica set that becomes the
present one again gets the next number, and its former ones stay noted. So a plan's two numbers
mean the same two replica sets before and after the step, and after its undoing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_rollout import REDO, UNDO
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import kubernetes_calls as calls
from remediation.executors import kubernetes_flows as flows
from remediation.executors import kubernetes_template as templates
from remediation.executors.base import Deadline
from remediation.executors.errors import NotApplied
from remediation.executors.kubernetes_calls import Object
from remediation.executors.kubernetes_server import cluster
from remediation.executors.kubernetes_steps import KubernetesStep, operating
from remediation.executors.kubernetes_traces import traces
from remediation.executors.kubernetes_workload import (
    FAILED,
    PAUSED,
    REMOVED,
    UNSEEN,
    Workload,
    existing,
    look,
    observation,
    rollout,
)
from remediation.executors.targets import Targets

REVISION = "deployment.kubernetes.io/revision"
HISTORY = "deployment.kubernetes.io/revision-history"
NUMBERS = ("revision", "instead_of")
ANOTHER = "another one"
NOT_THERE = "not there"
# A deployment's version also changes with its status, so a refused change is tried again.
ATTEMPTS = 3
# Characters of one part of the template that comes. A longer one is not brought back: 50 of them
# still fit into an observation (256 KiB).
LONGEST_PART = 2_000


class _Rollout(KubernetesStep):
    """The common parts of both directions."""

    # The parameters with the revision that comes, and with the present one.
    comes: ClassVar[str]
    goes: ClassVar[str]
    verify_seconds = 20.0

    def observe(self, step: Step, targets: Targets) -> Observation:
        at = cluster(targets, step.target.fields["cluster"])
        found = look(step, targets)
        seen = observation(found, (), simulated=at.simulated)
        if found is None:
            return seen
        shown = {**seen.shown, **_after(found, _number(step, self.comes))}
        return Observation(True, _state(step, found), shown, at.simulated)

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if step.target.fields["controller"] != "deployment":
            raise NotApplied("only a deployment has replica sets with earlier templates")
        _refuse_resting(str(observation.shown["rollout"]))
        held = observation.state["templates"]
        known = dict(str(one).split(": ", 1) for one in held) if isinstance(held, list) else {}
        for name in (self.comes, self.goes):
            if known.get(_number(step, name), NOT_THERE) == NOT_THERE:
                number = _number(step, name)
                raise NotApplied(f"no replica set of this deployment has revision {number}")
        if len({one.rpartition(" ")[2] for one in known.values()}) < len(NUMBERS):
            raise NotApplied("both revisions have the same template")
        told = observation.shown.get("template_after")
        if not told:
            raise NotApplied("the template that comes was not looked at")
        _refuse_cut(told)
        if observation.state["revision"] != _number(step, self.goes):
            raise NotApplied(f"its template is not that of revision {_number(step, self.goes)}")

    def left_open(self, step: Step, observation: Observation) -> tuple[str, ...]:
        """A rollout that goes on is enough: how long it takes, the deployment says itself."""
        said = str(observation.shown.get("rollout", ""))
        return (f"the rollout: {said}",) if said.startswith((*RESTING, UNSEEN, FAILED)) else ()

    def traces(self, step: Step, targets: Targets) -> Mapping[str, Json]:
        return traces(step, targets)

    def _change(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> bool:
        """Replace the template. Raises NotApplied and OutcomeUnknown."""
        for left in reversed(range(ATTEMPTS)):
            found = existing(step, targets)
            self._refuse_changed(_state(step, found), seen)
            _refuse_resting(rollout(found.item))
            source = _set_of(found, str(wanted["revision"]))
            if source is None:
                raise NotApplied(f"no replica set has revision {wanted['revision']}")
            try:
                with operating(step, targets, clearance) as api:
                    _replace(api, step, found.item, source, deadline)
                return True
            except calls.ObjectChanged:
                if not left:
                    raise
        raise AssertionError("the last attempt returns or raises")


class UndoRollout(_Rollout):
    """Bring back the template of the named earlier revision."""

    spec = UNDO
    comes, goes = NUMBERS


class RedoRollout(_Rollout):
    """Bring back the template that the undoing replaced."""

    spec = REDO
    goes, comes = NUMBERS


# What takes a new template, and does nothing with it.
RESTING = (PAUSED, REMOVED)


def _refuse_resting(said: str) -> None:
    if said in RESTING:
        raise NotApplied(f"the deployment is {said}: a new template would change no pod")


def _refuse_cut(told: Json) -> None:
    """People sign the template that comes, so each part of it is shown whole (A02)."""
    lines = [str(one) for one in told] if isinstance(told, list) else []
    if len(lines) > flows.MOST_SHOWN:
        raise NotApplied("the template that comes has more parts than can be shown")
    if any(len(line) >= LONGEST_PART for line in lines):
        raise NotApplied("the template that comes has a part that is too long to be shown")


def _number(step: Step, name: str) -> str:
    """Return a number of the plan; "" for a look without a plan."""
    return str(step.parameters.get(name, ""))


def _state(step: Step, found: Workload) -> dict[str, Json]:
    present = templates.digest(templates.of(found.item))
    held: dict[str, tuple[str, str]] = {}
    for number in filter(None, (_number(step, name) for name in NUMBERS)):
        source = _set_of(found, number)
        if source is not None:
            uid = str(source["metadata"].get("uid", ""))
            held[number] = uid, templates.digest(templates.of(source))
    same = [number for number, (_, digest) in held.items() if digest == present]
    return {
        "revision": same[0] if len(same) == 1 else ANOTHER,
        "templates": [
            f"{number}: {' '.join(held[number]) if number in held else NOT_THERE}"
            for number in (_number(step, name) for name in NUMBERS)
        ],
        "uid": str(found.item["metadata"].get("uid", "")),
    }


def _after(found: Workload, number: str) -> dict[str, Json]:
    """Return the template of a revision in words, and which parts of the present one differ."""
    source = _set_of(found, number)
    if source is None:
        return {}
    before, after = templates.of(found.item), templates.of(source)
    return {
        "template_after": flows.shown(templates.said(after), LONGEST_PART),
        "template_changes": flows.shown(templates.changed(before, after)),
    }


def _set_of(found: Workload, number: str) -> Object | None:
    """Return the deployment's own replica set that has, or had, this revision.

    None if there is none, and if two say so: nobody knows then which one is meant.
    """
    held = [one for one in found.sets if number in _numbers(one)]
    return held[0] if len(held) == 1 else None


def _numbers(replica_set: Object) -> set[str]:
    noted: Any = replica_set["metadata"].get("annotations")
    if not isinstance(noted, dict):
        return set()
    return {str(noted.get(REVISION, "")), *str(noted.get(HISTORY, "")).split(",")} - {""}


def _replace(api: calls.Api, step: Step, item: Object, source: Object, deadline: Deadline) -> None:
    """Replace the whole template, of exactly the deployment that was seen, as it was seen."""
    meta, fields = item["metadata"], step.target.fields
    body = [
        {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
        # The server compares it with the present one, and answers with 409.
        {"op": "replace", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]},
        {"op": "replace", "path": "/spec/template", "value": templates.of(source)},
    ]
    api.change(
        "PATCH", calls.WORKLOADS + calls.ONE, body, deadline, plural="deployments",
        namespace=fields["namespace"], name=fields["name"],
    )  # fmt: skip
