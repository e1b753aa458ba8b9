"""Remove a role binding and make it again; take one subject out of it and put it back.

The API server lets nobody make or change a binding to rights that he does not have himself, unless
he has the verb `bind` on its role. Removing a binding needs no such right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_binding import (
    ADD_SUBJECT,
    REMOVE,
    REMOVE_SUBJECT,
    RESTORE,
)
from remediation.domain.errors import TargetUnobservable
from remediation.domain.gate.gate import Clearance
from remediation.domain.observation import Observation
from remediation.domain.plan import Step
from remediation.executors import kubernetes_calls as calls
from remediation.executors import kubernetes_flows as flows
from remediation.executors.base import Deadline, Point
from remediation.executors.errors import NotApplied
from remediation.executors.kubernetes_calls import Api, Object
from remediation.executors.kubernetes_server import cluster
from remediation.executors.kubernetes_steps import KubernetesStep, operating
from remediation.executors.targets import Targets

GROUP = "rbac.authorization.k8s.io"
ACCOUNT = "system:serviceaccount:"
# Every account has these in every cluster, and they only tell what the API is (Kubernetes
# documentation, "Using RBAC Authorization", API discovery roles).
DISCOVERY = frozenset(
    {
        "system:basic-user", "system:discovery", "system:public-info-viewer",
        "system:service-account-issuer-discovery",
    }
)  # fmt: skip
NOT_THERE: Mapping[str, Json] = {"bound": False, "role": "", "subjects": []}


class _Binding(KubernetesStep):
    """The common parts of the actions on a role binding."""

    def observe(self, step: Step, targets: Targets) -> Observation:
        fields = step.target.fields
        at = cluster(targets, fields["cluster"])
        with at.observing() as api:
            found = _read(api, step)
            # The name of a removed binding says nothing: its namespace says whether it can be.
            # Read also where it is there, so that a right that is missing shows before the change.
            namespace = api.get(calls.NAMESPACE, namespace=fields["namespace"])
            if found is None and namespace is None:
                return Observation(False, {}, {}, at.simulated)
            state = _state(found, fields["namespace"])
            return Observation(True, state, _shown(api, step, found), at.simulated)

    def points(self, step: Step, observation: Observation) -> tuple[Point, ...]:
        """Say of the whole binding whether it gives rights to anybody; other ones are shown.

        A step of a look has no parameters, so only the binding itself is judged, never its subject.
        """
        if not observation.exists:
            return (Point(step.target.locator, None),)
        free = not observation.state["subjects"] and not observation.shown["elsewhere"]
        return (Point(step.target.locator, free),)

    def _change(
        self,
        clearance: Clearance,
        step: Step,
        targets: Targets,
        seen: Mapping[str, Json],
        wanted: Mapping[str, Json],
        deadline: Deadline,
    ) -> bool:
        """Bring the binding to this state. Raises NotApplied and OutcomeUnknown."""
        found = _existing(step, targets)
        self._refuse_changed(_state(found, step.target.fields["namespace"]), seen)
        with operating(step, targets, clearance) as api:
            if not wanted["bound"]:
                return found is not None and _remove(api, step, found, deadline)
            if found is None:
                _make(api, step, wanted, deadline)
            else:
                _set(api, step, found, wanted, deadline)
            return True


class RemoveBinding(_Binding):
    """Remove a binding that is as the plan says."""

    spec = REMOVE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        for name in ("role", "subjects"):
            held = observation.state[name]
            if observation.state["bound"] and held != step.parameters[name]:
                raise NotApplied(f"its {name} are not those of the plan: {held}"[:300])


class RestoreBinding(_Binding):
    """Make a removed binding again."""

    spec = RESTORE

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        subjects = step.parameters["subjects"]
        assert isinstance(subjects, list)
        if subjects != sorted(map(str, subjects)):
            raise NotApplied("the subjects of the plan are not in order")
        if observation.state["bound"] and observation.state != self.after({}, step.parameters):
            raise NotApplied("a binding of this name is there, and it is another one")


class RemoveSubject(_Binding):
    """Take one subject out."""

    spec = REMOVE_SUBJECT

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if not observation.state["bound"]:
            raise NotApplied(f"{step.target.locator} does not exist")


class AddSubject(_Binding):
    """Put one subject back."""

    spec = ADD_SUBJECT

    def precheck(self, step: Step, observation: Observation) -> None:
        super().precheck(step, observation)
        if not observation.state["bound"]:
            raise NotApplied(f"{step.target.locator} does not exist")


def subject_said(subject: Mapping[str, Any], namespace: str) -> str:
    """Return a subject as plans name it; without a namespace it is of the binding's own."""
    name = str(subject.get("name", ""))
    if subject.get("kind") == "ServiceAccount":
        name = f"{subject.get('namespace') or namespace}/{name}"
    return f"{subject.get('kind')}:{name}"


def aliases(named: str) -> set[str]:
    """Return the other names by which a binding gives rights to this subject.

    A service account is also a user, and of three groups (Kubernetes documentation,
    "Authenticating", service account tokens); RBAC compares user name and groups.
    """
    kind, _, name = named.partition(":")
    if kind == "User" and name.startswith(ACCOUNT):
        kind, name = "ServiceAccount", name.removeprefix(ACCOUNT).replace(":", "/", 1)
    if kind != "ServiceAccount":
        return {named, "Group:system:authenticated"} if kind == "User" else {named}
    namespace, _, account = name.partition("/")
    return {
        named,
        f"ServiceAccount:{namespace}/{account}",
        f"User:{ACCOUNT}{namespace}:{account}",
        f"Group:system:serviceaccounts:{namespace}",
        "Group:system:serviceaccounts",
        "Group:system:authenticated",
    }


def subject(text: str) -> dict[str, str]:
    """Return the subject that a plan names. Raises NotApplied."""
    kind, _, name = text.partition(":")
    if kind != "ServiceAccount":
        return {"kind": kind, "name": name, "apiGroup": GROUP}
    namespace, _, account = name.partition("/")
    if not namespace or not account or "/" in account:
        raise NotApplied("a service account is named namespace/name")
    return {"kind": kind, "name": account, "namespace": namespace}


def _state(found: Object | None, namespace: str) -> dict[str, Json]:
    if found is None:
        return dict(NOT_THERE)
    role = found.get("roleRef") or {}
    said = {subject_said(one, namespace) for one in found.get("subjects") or ()}
    subjects: list[Json] = [*sorted(said)]
    return {"bound": True, "role": f"{role.get('kind')}/{role.get('name')}", "subjects": subjects}


def _read(api: Api, step: Step) -> Object | None:
    fields = step.target.fields
    path = calls.BINDINGS + calls.ONE
    return api.get(path, namespace=fields["namespace"], name=fields["binding"])


def _existing(step: Step, targets: Targets) -> Object | None:
    try:
        with cluster(targets, step.target.fields["cluster"]).observing() as api:
            return _read(api, step)
    except TargetUnobservable as error:
        raise NotApplied(error.detail) from error


def _shown(api: Api, step: Step, found: Object | None) -> dict[str, Json]:
    """Return what the role allows, and the other bindings of the same subjects."""
    fields = step.target.fields
    named = {str(name) for name in step.parameters.get("subjects") or ()}  # type: ignore[union-attr]
    one = step.parameters.get("subject")
    named |= {str(one)} if one else {*map(str, _names(found, fields["namespace"]))}
    named = {other for name in named for other in aliases(name)}
    here = api.list(calls.BINDINGS, namespace=fields["namespace"])
    others = [each for each in here if flows.name_of(each) != fields["binding"]]
    return {
        "rules": flows.shown(_rules(api, fields["namespace"], found)),
        "elsewhere": flows.shown(
            [
                *naming(others, named, fields["namespace"], "role binding"),
                *naming(api.list(calls.CLUSTER_BINDINGS), named, "", "cluster role binding"),
            ]
        ),
    }


def _names(found: Object | None, namespace: str) -> Iterator[str]:
    yield from (subject_said(one, namespace) for one in (found or {}).get("subjects") or ())


def naming(bindings: Iterable[Object], named: set[str], namespace: str, kind: str) -> Iterator[str]:
    """Yield each binding that names one of these subjects; not those that only tell the API."""
    for each in bindings:
        role = each.get("roleRef") or {}
        told = role.get("kind") == "ClusterRole" and role.get("name") in DISCOVERY
        if not told and named.intersection(_names(each, namespace)):
            yield f"{kind} {flows.name_of(each)} ({role.get('kind')} {role.get('name')})"


def _rules(api: Api, namespace: str, found: Object | None) -> Iterator[str]:
    role = (found or {}).get("roleRef") or {}
    if not role:
        return
    path, names = calls.CLUSTER_ROLES, {"name": str(role.get("name"))}
    if role.get("kind") == "Role":
        path, names = calls.ROLES, {**names, "namespace": namespace}
    item = api.get(path + calls.ONE, **names)
    for rule in (item or {}).get("rules") or ():
        verbs, resources = (", ".join(rule.get(key) or ()) for key in ("verbs", "resources"))
        yield f"{verbs} on {resources}"


def _remove(api: Api, step: Step, found: Object, deadline: Deadline) -> bool:
    meta = found["metadata"]
    body = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        # Exactly the binding that was seen, as it was seen.
        "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
    }
    try:
        _call(api, "DELETE", step, body, deadline)
    except calls.ObjectGone:
        return False
    return True


def _make(api: Api, step: Step, wanted: Mapping[str, Json], deadline: Deadline) -> None:
    fields = step.target.fields
    kind, _, name = str(wanted["role"]).partition("/")
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": fields["binding"]},
        "roleRef": {"apiGroup": GROUP, "kind": kind, "name": name},
        "subjects": _subjects(wanted),
    }
    api.change("POST", calls.BINDINGS, body, deadline, namespace=fields["namespace"])


def _set(
    api: Api, step: Step, found: Object, wanted: Mapping[str, Json], deadline: Deadline
) -> None:
    """Set the subjects; the role of a binding can never be changed."""
    if _state(found, step.target.fields["namespace"])["role"] != wanted["role"]:
        raise NotApplied("the binding has another role by now")
    version = found["metadata"]["resourceVersion"]
    body = {"metadata": {"resourceVersion": version}, "subjects": _subjects(wanted)}
    _call(api, "PATCH", step, body, deadline)


def _subjects(wanted: Mapping[str, Json]) -> list[dict[str, str]]:
    held = wanted["subjects"]
    assert isinstance(held, list)
    return [subject(str(one)) for one in held]


def _call(api: Api, method: str, step: Step, body: object, deadline: Deadline) -> None:
    fields, path = step.target.fields, calls.BINDINGS + calls.ONE
    api.change(method, path, body, deadline, namespace=fields["namespace"], name=fields["binding"])
