"""Role bindings of Kubernetes: what gives a role's rights to subjects in one namespace."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.kubernetes_workload import NAME_FIELDS, OWN_NAMESPACES
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    TargetSpec,
    gettext_noop,
    never_cut,
)

ROLE_BINDING = TargetSpec(
    kind="kubernetes.role_binding",
    title=gettext_noop("Kubernetes role binding"),
    fields=MappingProxyType(
        {
            "cluster": NAME_FIELDS["cluster"],
            "namespace": NAME_FIELDS["namespace"],
            # The API server takes any name that can be one segment of a path.
            "binding": r"(?!\.\.?\Z)[^/%\x00]+",
        }
    ),
    escaped=MappingProxyType({"binding": 100}),
    distinguishing="binding",
    example={"cluster": "prod-eu", "namespace": "billing", "binding": "exporter-reads"},
    names=("binding",),
    protected=(OWN_NAMESPACES,),
    shown_fields=("rules", "elsewhere"),
    live=(
        Live(
            "subjects",
            present=gettext_noop("It gives rights to these subjects:"),
            absent=gettext_noop("It gives rights to nobody."),
        ),
        Live("role", present=gettext_noop("Its role is {role}.")),
        Live("rules", present=gettext_noop("The role allows:")),
    ),
    no_secret_compared=gettext_noop("A role binding has no secret to compare."),
)

# Kind, colon, name; of a service account namespace/name.
_SUBJECT: Mapping[str, Json] = MappingProxyType(
    {"type": "string", "pattern": r"^(?:User|Group|ServiceAccount):[^\x00]+$", "maxLength": 400}
)
_WHOLE: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "role": {"type": "string", "pattern": r"^(?:Role|ClusterRole)/[^/%\x00]+$"},
            "subjects": {
                "type": "array",
                "items": dict(_SUBJECT),
                "minItems": 1,
                "maxItems": 50,
                "uniqueItems": True,
            },
        },
        "required": ["role", "subjects"],
        "additionalProperties": False,
    }
)
_ONE: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"subject": dict(_SUBJECT)},
        "required": ["subject"],
        "additionalProperties": False,
    }
)
_WHOLE_EXAMPLE: Mapping[str, Json] = MappingProxyType(
    {"role": "Role/reader", "subjects": ["ServiceAccount:billing/exporter"]}
)
_ONE_EXAMPLE: Mapping[str, Json] = MappingProxyType({"subject": "ServiceAccount:billing/exporter"})

_ELSEWHERE = Limit(
    "elsewhere",
    present=gettext_noop("Other bindings give rights to the same subjects: {value}."),
    absent="",
    unknown=gettext_noop("It was not looked at whether other bindings name the same subjects."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's account can remove every role binding of the namespaces where it has the"
        " role, and bind the roles that it was allowed to bind."
    )
)
_PIN = ("bound", "role", "subjects")
_SESSIONS = gettext_noop(
    "Rights are asked at each request. A watch, a shell or a forwarded port that is open stays"
    " open."
)
_NOT_TOKENS = gettext_noop("It revokes no token: who has one is still known, with other rights.")
_NOT_DONE = gettext_noop("It does not undo what was done with the rights.")

_WATCHES = (
    LivesOn(
        none=gettext_noop(
            "A watch, a shell or a forwarded port ends with its client; the API server does not"
            " end it."
        )
    ),
)
REMOVE = ActionSpec(
    kind="kubernetes.role_binding.remove",
    version=1,
    title="Remove a Kubernetes role binding",
    sentence="Remove role binding {binding} in namespace {namespace} of cluster {cluster}.",
    headline="Remove role binding {binding} (namespace {namespace}, cluster {cluster})",
    headlines=("Remove {count} role bindings in namespace {namespace} of cluster {cluster}",),
    done="Role binding {binding} of {namespace} in {cluster} is removed.",
    undone=gettext_noop("its subjects have the rights of the role again"),
    target_kind=ROLE_BINDING.kind,
    rollback="kubernetes.role_binding.restore",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=5,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"bound": False, "role": "", "subjects": []}),
    leaves=True,
    removes_access=True,
    lives_on=_WATCHES,
    parameters=_WHOLE,
    example=_WHOLE_EXAMPLE,
    ends_sessions=_SESSIONS,
    limits=(_ELSEWHERE,),
    credential=_CREDENTIAL,
    cannot=(_NOT_TOKENS, _NOT_DONE),
)
RESTORE = ActionSpec(
    kind="kubernetes.role_binding.restore",
    version=1,
    title="Make a removed Kubernetes role binding again",
    sentence=(
        "Make the removed role binding {binding} in namespace {namespace} of cluster {cluster}"
        " again."
    ),
    headline="Restore role binding {binding} (namespace {namespace}, cluster {cluster})",
    headlines=("Restore {count} role bindings in namespace {namespace} of cluster {cluster}",),
    done="Role binding {binding} of {namespace} in {cluster} is there again.",
    undone=gettext_noop("the binding is removed again"),
    target_kind=ROLE_BINDING.kind,
    rollback="kubernetes.role_binding.remove",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=5,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"bound": True}),
    leads_to_from=MappingProxyType(
        {
            "role": Change(Op.SET, parameter="role"),
            "subjects": Change(Op.SET, parameter="subjects"),
        }
    ),
    leaves=True,
    grants_access=True,
    parameters=_WHOLE,
    example=_WHOLE_EXAMPLE,
    ends_sessions=gettext_noop("It ends nothing."),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not give the new binding the labels and the identifier of the old."),
        gettext_noop("It does not see whether the role allows something else by now."),
    ),
)
REMOVE_SUBJECT = ActionSpec(
    kind="kubernetes.role_binding.remove_subject",
    version=1,
    title="Take one subject out of a Kubernetes role binding",
    sentence=(
        "Take one subject out of role binding {binding} in namespace {namespace} of cluster"
        " {cluster}."
    ),
    headline="Narrow role binding {binding} (namespace {namespace}, cluster {cluster})",
    headlines=("Narrow {count} role bindings in namespace {namespace} of cluster {cluster}",),
    done="The subject is no longer in role binding {binding} of {namespace} in {cluster}.",
    undone=gettext_noop("the subject has the rights of the role again"),
    target_kind=ROLE_BINDING.kind,
    rollback="kubernetes.role_binding.add_subject",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=5,
    pin_fields=_PIN,
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"subjects": Change(Op.REMOVE, parameter="subject")}),
    leaves=True,
    removes_access=True,
    lives_on=_WATCHES,
    parameters=_ONE,
    example=_ONE_EXAMPLE,
    ends_sessions=_SESSIONS,
    limits=(_ELSEWHERE,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not reach a person or a program through a group that stays."),
        _NOT_TOKENS,
        _NOT_DONE,
    ),
)
ADD_SUBJECT = ActionSpec(
    kind="kubernetes.role_binding.add_subject",
    version=1,
    title="Put one subject back into a Kubernetes role binding",
    sentence=(
        "Put one subject back into role binding {binding} in namespace {namespace} of cluster"
        " {cluster}."
    ),
    headline="Widen role binding {binding} (namespace {namespace}, cluster {cluster})",
    headlines=("Widen {count} role bindings in namespace {namespace} of cluster {cluster}",),
    done="The subject is in role binding {binding} of {namespace} in {cluster} again.",
    undone=gettext_noop("the subject is taken out again"),
    target_kind=ROLE_BINDING.kind,
    rollback="kubernetes.role_binding.remove_subject",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=5,
    pin_fields=_PIN,
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"subjects": Change(Op.ADD, parameter="subject")}),
    leaves=True,
    grants_access=True,
    parameters=_ONE,
    example=_ONE_EXAMPLE,
    ends_sessions=gettext_noop("It ends nothing."),
    credential=_CREDENTIAL,
    cannot=(gettext_noop("It does not see whether the role allows something else by now."),),
)
