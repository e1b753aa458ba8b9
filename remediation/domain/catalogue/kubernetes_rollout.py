"""Rollouts of Kubernetes: the pod template of an earlier revision comes back, and leaves again."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_workload import WORKLOAD
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Op,
    gettext_noop,
    never_cut,
)

_NUMBER: Mapping[str, Json] = MappingProxyType(
    {"type": "string", "pattern": r"^[1-9][0-9]{0,9}$"},
)
# Both numbers stand in the plan, so that its undoing names the same two templates.
_REVISIONS: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"revision": dict(_NUMBER), "instead_of": dict(_NUMBER)},
        "required": ["revision", "instead_of"],
        "additionalProperties": False,
    }
)
_FIRST: Mapping[str, Json] = MappingProxyType({"revision": "1", "instead_of": "2"})
_SHOWN = ("template_after", "template_changes")
_PINNED = ("revision", "templates", "uid")

_DIFFERENT = Limit(
    "template_changes",
    present=gettext_noop("These parts of the template change: {value}."),
    absent="",
    unknown=gettext_noop("It was not looked at which parts of the template change."),
)
_OWNERS = Limit(
    "owners",
    present=gettext_noop(
        "These can set the template again. Take the change out of them first: {value}."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at who can set the template again."),
)
_FLOWS = Limit(
    "services",
    present=gettext_noop("Its pods are replaced. Clients of these services may notice: {value}."),
    absent="",
    unknown=gettext_noop("It was not looked at which services send traffic to it."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's account can change all of each deployment that its role names: who has it"
        " can run any image there, as any service account of the namespace."
    )
)
_ENDS = gettext_noop(
    "The pods of the template before are replaced one after the other, and their connections end"
    " with them. Tokens that are bound to a pod are refused a minute after it ended."
)
_CANNOT = (
    gettext_noop(
        "It does not wait until all pods of the template before are replaced: until then they run"
        " on, with their tokens."
    ),
    gettext_noop(
        "It brings back nothing but the pod template: no config map, secret, volume or database."
        " What the pods wrote to volume claims stays."
    ),
    gettext_noop("It does not undo what the pods did or made, nor sessions that a cloud gave."),
    gettext_noop(
        "It does not say that the template is a good one. Its image can have holes that were closed"
        " since, and a tag can mean another image by now."
    ),
    gettext_noop(
        "It does not prove that the replica set of the earlier revision is as it was: who could"
        " change the deployment could often change that, too. Read its template."
    ),
    gettext_noop("It does not work on stateful sets."),
    gettext_noop(
        "Somebody who can change the deployment or its replica sets can hold the step off: it is"
        " refused when the template changes before it, or when two replica sets claim the revision."
    ),
    gettext_noop("It does not keep whoever deploys the workload from setting the template again."),
)

UNDO = ActionSpec(
    kind="kubernetes.workload.undo_rollout",
    version=1,
    title="Bring back the pod template of an earlier revision of a Kubernetes deployment",
    sentence=(
        "Give {controller} {name} in namespace {namespace} of cluster {cluster} the pod template of"
        " an earlier revision again."
    ),
    headline="Undo the rollout of {controller} {name} (namespace {namespace}, cluster {cluster})",
    headlines=(
        "Undo the rollouts of {count} workloads in namespace {namespace} of cluster {cluster}",
    ),
    done="{controller} {name} of {namespace} in {cluster} has the earlier template.",
    undone=gettext_noop("the workload gets the template back that it had before the step"),
    target_kind=WORKLOAD.kind,
    rollback="kubernetes.workload.redo_rollout",
    reversible=True,
    hard_timeout_s=60,
    # The API server gives a request 60 s (--request-timeout); a lost one may land until then.
    propagation_s=60,
    pin_fields=_PINNED,
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"revision": Change(Op.SET, parameter="revision")}),
    leaves=True,
    # An older image can have a hole, and an older template another service account.
    grants_access=True,
    parameters=_REVISIONS,
    example=_FIRST,
    ends_sessions=_ENDS,
    limits=(_DIFFERENT, _OWNERS, _FLOWS),
    shows=_SHOWN,
    credential=_CREDENTIAL,
    cannot=_CANNOT,
)
REDO = ActionSpec(
    kind="kubernetes.workload.redo_rollout",
    version=1,
    title="Give a Kubernetes deployment the pod template that a rollout undo replaced",
    sentence=(
        "Give {controller} {name} in namespace {namespace} of cluster {cluster} the pod template"
        " again that the undoing of a rollout replaced."
    ),
    headline="Redo the rollout of {controller} {name} (namespace {namespace}, cluster {cluster})",
    headlines=(
        "Redo the rollouts of {count} workloads in namespace {namespace} of cluster {cluster}",
    ),
    done="{controller} {name} of {namespace} in {cluster} has the replaced template.",
    undone=gettext_noop("the workload gets the template of the earlier revision again"),
    target_kind=WORKLOAD.kind,
    rollback="kubernetes.workload.undo_rollout",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=60,
    pin_fields=_PINNED,
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"revision": Change(Op.SET, parameter="instead_of")}),
    leaves=True,
    grants_access=True,
    parameters=_REVISIONS,
    example=_FIRST,
    ends_sessions=_ENDS,
    limits=(_DIFFERENT, _OWNERS, _FLOWS),
    shows=_SHOWN,
    credential=_CREDENTIAL,
    cannot=_CANNOT,
)
