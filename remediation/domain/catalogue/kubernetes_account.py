"""Service accounts of Kubernetes: removed and made again, so that every token of theirs ends.

A token holds the identifier (UID) of its account, and the API server compares it. So an account
that is made again under the same name takes none of the old tokens, bound or legacy. No right to
read secrets is needed for that; whoever may list them reads what they hold.
"""

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

SERVICE_ACCOUNT = TargetSpec(
    kind="kubernetes.service_account",
    title=gettext_noop("Kubernetes service account"),
    fields=NAME_FIELDS,
    distinguishing="name",
    example={"cluster": "prod-eu", "namespace": "billing", "name": "exporter"},
    names=("name",),
    protected=(OWN_NAMESPACES,),
    shown_fields=("pods", "bindings", "owners", "finalizers", "made_by"),
    live=(
        Live(
            "present",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The account is there, and tokens can be made for it."),
                    "no": gettext_noop("The account is not there: none of its tokens is taken."),
                }
            ),
        ),
        Live(
            "pods",
            present=gettext_noop("These pods run with it:"),
            absent=gettext_noop("No pod runs with it."),
        ),
        Live(
            "bindings",
            present=gettext_noop("These bindings give it rights:"),
            absent=gettext_noop("No binding that was read gives it rights."),
        ),
    ),
    no_secret_compared=gettext_noop("The portal reads no token of a service account."),
)

MOST_SETTINGS, LONGEST_SETTING = 50, 400
FORMS = ("annotation", "automount", "label", "pull_secret", "secret")
# Form, colon, value: "label:app=exporter", "automount:false", "pull_secret:registry".
_SETTINGS: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "settings": {
                "type": "array",
                "items": {
                    "type": "string",
                    "pattern": (
                        r"^(?:automount:(?:true|false)|(?:pull_secret|secret):[a-z0-9][a-z0-9.-]*"
                        r"|(?:label|annotation):[A-Za-z0-9][A-Za-z0-9_./-]*=[^\x00]*)$"
                    ),
                    "maxLength": LONGEST_SETTING,
                },
                "maxItems": MOST_SETTINGS,
                "uniqueItems": True,
            },
        },
        "required": ["settings"],
        "additionalProperties": False,
    }
)
_EXAMPLE: Mapping[str, Json] = MappingProxyType(
    {"settings": ["automount:false", "label:app=exporter", "pull_secret:registry"]}
)
_PODS = Limit(
    "pods",
    present=gettext_noop(
        "These pods run with its tokens, which are refused from then on. They need the account to"
        " be there again, and then a restart or a new token from their node: {value}."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at which pods run with it."),
)
_BINDINGS = Limit(
    "bindings",
    present=gettext_noop(
        "Bindings name an account by its name. These give the same rights to new tokens of an"
        " account that is made again under it: {value}."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at which bindings give it rights."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's account can remove and make every service account of the namespaces where"
        " it has the role."
    )
)
_NAME = "{name} in namespace {namespace} of cluster {cluster}"
_SHORT = "{name} (namespace {namespace}, cluster {cluster})"

REMOVE = ActionSpec(
    kind="kubernetes.service_account.remove",
    version=1,
    title="Remove a Kubernetes service account, so that all of its tokens end",
    sentence=f"Remove service account {_NAME}: all of its tokens end.",
    headline=f"Remove service account {_SHORT}",
    headlines=("Remove {count} service accounts in namespace {namespace} of cluster {cluster}",),
    done="Service account {name} of {namespace} in {cluster} is removed, and its tokens end.",
    undone=gettext_noop("an account of this name is there again; the old tokens stay dead"),
    target_kind=SERVICE_ACCOUNT.kind,
    rollback="kubernetes.service_account.restore",
    reversible=True,
    hard_timeout_s=60,
    # The API server remembers a token that it took for some seconds, and gives a request 60 s.
    propagation_s=60,
    pin_fields=("present", "settings", "uid"),
    leads_to=MappingProxyType({"present": False, "settings": [], "uid": ""}),
    leaves=True,
    removes_access=True,
    lives_on=(
        LivesOn(
            none=gettext_noop(
                "A watch, a shell or a forwarded port that is open ends with its client. Who"
                " verifies its tokens offline, as clouds do, takes them until they expire."
            )
        ),
    ),
    parameters=_SETTINGS,
    example=_EXAMPLE,
    ends_sessions=gettext_noop(
        "Every token of the account is refused by the API server within a minute, bound and legacy"
        " ones. What is open stays open."
    ),
    limits=(_PODS, _BINDINGS),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It ends no pod: those that run with the account go on without a token."),
        gettext_noop("It starts no new pod with the account until the account is there again."),
        gettext_noop("It ends no session that a cloud gave for a token of the account."),
        gettext_noop(
            "It does not delete the secrets of legacy tokens; the cluster does once the account"
            " is gone."
        ),
        gettext_noop("It does not undo what was done with the tokens."),
        gettext_noop(
            "Somebody who can change the account can hold its removal up with a finalizer: then the"
            " step is not confirmed, and the account's tokens work until it is gone."
        ),
    ),
)
RESTORE = ActionSpec(
    kind="kubernetes.service_account.restore",
    version=1,
    title="Make a removed Kubernetes service account again",
    sentence=f"Make the removed service account {_NAME} again, with a new identifier.",
    headline=f"Restore service account {_SHORT}",
    headlines=("Restore {count} service accounts in namespace {namespace} of cluster {cluster}",),
    done="Service account {name} of {namespace} in {cluster} is there again; old tokens are dead.",
    undone=gettext_noop("the account is removed again"),
    target_kind=SERVICE_ACCOUNT.kind,
    rollback=REMOVE.kind,
    reversible=True,
    hard_timeout_s=60,
    propagation_s=60,
    # Its identifier is the server's choice, so nobody can pin it before.
    pin_fields=("present", "settings"),
    leads_to=MappingProxyType({"present": True}),
    leads_to_from=MappingProxyType({"settings": Change(Op.SET, parameter="settings")}),
    leaves=True,
    grants_access=True,
    parameters=_SETTINGS,
    example=_EXAMPLE,
    ends_sessions=gettext_noop("It ends nothing."),
    limits=(_BINDINGS,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It makes no old token valid again: they name the identifier that is gone."),
        gettext_noop("It makes no legacy token again; who used one needs a new one."),
        gettext_noop(
            "Its mark on the account is no secret. If the worker stops in the middle, somebody who"
            " can make accounts there and knows the run could have made one with the same mark."
        ),
        gettext_noop(
            "It restarts no pod. A pod has a token again when its node renews it, or after a"
            " restart."
        ),
    ),
)
