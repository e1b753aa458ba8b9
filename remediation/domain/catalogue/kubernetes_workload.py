"""Workloads of Kubernetes: cut off from the network, and scaled to nothing."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Narrows,
    Op,
    Protected,
    TargetSpec,
    gettext_noop,
    never_cut,
)

# RFC 1123 names; limited to fewer than the allowed 253 characters to fit into a locator.
NAME_FIELDS: Mapping[str, str] = MappingProxyType(
    {
        "cluster": r"[a-z0-9][a-z0-9_-]{0,62}",
        "namespace": r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?",
        "name": r"[a-z0-9](?:[a-z0-9.-]{0,126}[a-z0-9])?",
    }
)
OWN_NAMESPACES = Protected(
    "namespace",
    "the cluster itself runs there",
    "kube-system|kube-public|kube-node-lease",
)

WORKLOAD = TargetSpec(
    kind="kubernetes.workload",
    title=gettext_noop("Kubernetes workload"),
    fields=MappingProxyType(
        {
            "cluster": NAME_FIELDS["cluster"],
            "namespace": NAME_FIELDS["namespace"],
            "controller": r"deployment|statefulset",
            "name": NAME_FIELDS["name"],
        }
    ),
    distinguishing="name",
    example={
        "cluster": "prod-eu",
        "namespace": "billing",
        "controller": "deployment",
        "name": "checkout",
    },
    names=("name",),
    protected=(OWN_NAMESPACES,),
    shown_fields=(
        "pods",
        "other_pods",
        "host_network",
        "service_account",
        "services",
        "ingresses",
        "allowed_by",
        "named_by",
        "autoscalers",
        "owners",
        "rollout",
        "template",
        "template_after",
        "template_changes",
    ),
    live=(
        Live(
            "isolated",
            present=gettext_noop("A network policy of the portal cuts it off: {isolated}."),
            absent=gettext_noop("No network policy of the portal cuts it off."),
        ),
        Live(
            "pods",
            present=gettext_noop("It has these pods:"),
            absent=gettext_noop("It has no pod."),
        ),
        Live("services", present=gettext_noop("These services send traffic to it:")),
        Live("ingresses", present=gettext_noop("These ingresses lead to its services:")),
    ),
    no_secret_compared=gettext_noop("A workload is no credential: there is no secret to compare."),
)

_TYPES: Mapping[str, Json] = MappingProxyType(
    {
        "type": "array",
        "items": {"type": "string", "enum": ["Ingress", "Egress"]},
        "minItems": 1,
        "maxItems": 2,
        "uniqueItems": True,
    }
)
_DIRECTIONS: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"directions": dict(_TYPES)},
        "required": ["directions"],
        "additionalProperties": False,
    }
)
# A text: a pinned number cannot be led to a value of the plan.
_REPLICAS: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"replicas": {"type": "string", "pattern": r"^[1-9][0-9]{0,3}$"}},
        "required": ["replicas"],
        "additionalProperties": False,
    }
)
_BOTH: Mapping[str, Json] = MappingProxyType({"directions": ["Ingress", "Egress"]})
_THREE: Mapping[str, Json] = MappingProxyType({"replicas": "3"})

_OTHER_POLICIES = Limit(
    "allowed_by",
    present=gettext_noop("Policies add up. These still allow traffic of its pods: {value}."),
    absent="",
    unknown=gettext_noop("It was not looked at whether other policies allow traffic of its pods."),
)
_FLOWS = Limit(
    "services",
    present=gettext_noop("Clients of these services get no answer from its pods: {value}."),
    absent="",
    unknown=gettext_noop("It was not looked at which services send traffic to it."),
    cuts=True,
)
_ROUTES = Limit(
    "ingresses",
    present=gettext_noop("These addresses from outside lead to it: {value}."),
    absent="",
    unknown=gettext_noop("It was not looked at which addresses from outside lead to it."),
    cuts=True,
)
_AUTOSCALERS = Limit(
    "autoscalers",
    present=gettext_noop(
        "These autoscalers rest while it has 0 replicas, and set the number again afterwards:"
        " {value}."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at whether an autoscaler sets its replicas."),
)
_POLICY_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's account can make and remove every network policy of the namespaces where"
        " it has the role."
    )
)
_SCALE_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's account can set the replicas of every workload of the namespaces where it"
        " has the role."
    )
)
_ISOLATION = ("isolated", "selector", "uid")
_COUNT = ("replicas", "uid")

ISOLATE = ActionSpec(
    kind="kubernetes.workload.isolate",
    version=1,
    title="Cut a Kubernetes workload off from the network",
    sentence=(
        "Cut {controller} {name} in namespace {namespace} of cluster {cluster} off from the"
        " network."
    ),
    headline="Cut off {controller} {name} (namespace {namespace}, cluster {cluster})",
    headlines=("Cut off {count} workloads in namespace {namespace} of cluster {cluster}",),
    done="A network policy cuts {controller} {name} of {namespace} in {cluster} off.",
    undone=gettext_noop("the workload can use the network again"),
    target_kind=WORKLOAD.kind,
    rollback="kubernetes.workload.release",
    reversible=True,
    hard_timeout_s=60,
    # The API server gives a request 60 s (--request-timeout); a lost one may land until then.
    propagation_s=60,
    pin_fields=_ISOLATION,
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"isolated": Change(Op.SET, parameter="directions")}),
    leaves=True,
    removes_access=True,
    lives_on=(
        LivesOn(
            none=gettext_noop(
                "Only the end of its pods surely ends connections: scaled to zero, it loses what is"
                " only in them."
            )
        ),
    ),
    parameters=_DIRECTIONS,
    narrows=MappingProxyType({"directions": Narrows.SUBSET}),
    example=_BOTH,
    ends_sessions=gettext_noop(
        "Whether open connections end depends on the network plugin: the API does not say."
    ),
    limits=(_OTHER_POLICIES, _FLOWS, _ROUTES),
    credential=_POLICY_CREDENTIAL,
    cannot=(
        gettext_noop("It does nothing where the network plugin enforces no network policies."),
        gettext_noop("It does not say when the plugin has cut every pod off."),
        gettext_noop("It does not stop traffic between a pod and the node that it runs on."),
        gettext_noop("It ends no pod and no process, and revokes no token of its account."),
        gettext_noop("It does not reach a pod whose labels were changed: the workload lost it."),
        gettext_noop(
            "It does not see policies of other kinds (of the cluster's administrator or of the"
            " plugin), nor routes of the Gateway API."
        ),
        gettext_noop("It does not keep a pod from being replaced by its controller."),
    ),
)
RELEASE = ActionSpec(
    kind="kubernetes.workload.release",
    version=1,
    title="Let a Kubernetes workload use the network again",
    sentence=(
        "Remove the policy that cuts {controller} {name} in namespace {namespace} of cluster"
        " {cluster} off from the network."
    ),
    headline="Release {controller} {name} (namespace {namespace}, cluster {cluster})",
    headlines=("Release {count} workloads in namespace {namespace} of cluster {cluster}",),
    done="No policy of the portal cuts {controller} {name} of {namespace} in {cluster} off.",
    undone=gettext_noop("the workload is cut off again"),
    target_kind=WORKLOAD.kind,
    rollback="kubernetes.workload.isolate",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=60,
    pin_fields=_ISOLATION,
    leads_to=MappingProxyType({"isolated": []}),
    leaves=True,
    grants_access=True,
    parameters=_DIRECTIONS,
    example=_BOTH,
    ends_sessions=gettext_noop("It ends no connection."),
    limits=(),
    credential=_POLICY_CREDENTIAL,
    cannot=(gettext_noop("It does not touch policies of others that cut the workload off."),),
)
SCALE_TO_ZERO = ActionSpec(
    kind="kubernetes.workload.scale_to_zero",
    version=1,
    title="Scale a Kubernetes workload to zero",
    sentence=(
        "Set {controller} {name} in namespace {namespace} of cluster {cluster} to 0 replicas: its"
        " pods end."
    ),
    headline="Scale {controller} {name} to zero (namespace {namespace}, cluster {cluster})",
    headlines=("Scale {count} workloads in namespace {namespace} of cluster {cluster} to zero",),
    done="{controller} {name} of {namespace} in {cluster} has no pods.",
    undone=gettext_noop("the workload gets as many pods as it had"),
    target_kind=WORKLOAD.kind,
    rollback="kubernetes.workload.scale_back",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=60,
    pin_fields=_COUNT,
    leads_to=MappingProxyType({"replicas": "0"}),
    leaves=True,
    removes_access=True,
    lives_on=(),
    parameters=_REPLICAS,
    example=_THREE,
    ends_sessions=gettext_noop(
        "Its pods end, and with them every connection. Tokens that are bound to them are refused by"
        " the API server a minute later; who verifies them offline takes them until they end."
    ),
    limits=(_FLOWS, _ROUTES, _AUTOSCALERS),
    credential=_SCALE_CREDENTIAL,
    cannot=(
        gettext_noop("It does not bring back what was only in the pods: files, memory, logs."),
        gettext_noop("It does not end jobs and pods that others started with the same account."),
        gettext_noop("It does not reach a pod whose labels were changed: the workload lost it."),
        gettext_noop(
            "It does not keep whoever deploys the workload from setting the number again."
        ),
    ),
)
SCALE_BACK = ActionSpec(
    kind="kubernetes.workload.scale_back",
    version=1,
    title="Give a Kubernetes workload its replicas again",
    sentence=(
        "Give {controller} {name} in namespace {namespace} of cluster {cluster}, which has 0"
        " replicas, its replicas again."
    ),
    headline="Scale {controller} {name} back (namespace {namespace}, cluster {cluster})",
    headlines=("Scale {count} workloads in namespace {namespace} of cluster {cluster} back",),
    done="{controller} {name} of {namespace} in {cluster} has its replicas again.",
    undone=gettext_noop("the workload has no pods again"),
    target_kind=WORKLOAD.kind,
    rollback="kubernetes.workload.scale_to_zero",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=60,
    pin_fields=_COUNT,
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"replicas": Change(Op.SET, parameter="replicas")}),
    leaves=True,
    grants_access=True,
    parameters=_REPLICAS,
    example=_THREE,
    ends_sessions=gettext_noop("It ends nothing."),
    limits=(_AUTOSCALERS,),
    credential=_SCALE_CREDENTIAL,
    cannot=(
        gettext_noop("It does not say whether the new pods become ready."),
        gettext_noop("It starts what the workload says now, the cause of the incident included."),
    ),
)
