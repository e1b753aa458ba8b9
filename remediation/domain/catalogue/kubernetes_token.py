"""Token secrets of Kubernetes: one long-lived token of a service account ends, and no other one.

Such a token ("legacy") has no end, and the API server takes it while the secret holds it. It names
its account and its secret, and nothing that is used once. So a secret that is made again under the
same name, for the same account, can bring the very same token back.
"""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.kubernetes_workload import NAME_FIELDS, OWN_NAMESPACES
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    TargetSpec,
    gettext_noop,
    never_cut,
)

IN_FORCE, REFUSED, DELETED = "in force", "marked as invalid", "deleted"
ANOTHER_TYPE = "of another type"

TOKEN_SECRET = TargetSpec(
    kind="kubernetes.token_secret",
    title=gettext_noop("Secret with a token of a Kubernetes service account"),
    fields=NAME_FIELDS,
    distinguishing="name",
    example={"cluster": "prod-eu", "namespace": "billing", "name": "exporter-token"},
    names=("name",),
    protected=(OWN_NAMESPACES,),
    shown_fields=("last_used", "pods", "bindings", "owners", "finalizers"),
    live=(
        Live(
            "status",
            values=MappingProxyType(
                {
                    IN_FORCE: gettext_noop(
                        "The secret is there: its token is taken. By its note it is one of service"
                        " account {service_account}."
                    ),
                    REFUSED: gettext_noop(
                        "The token is marked as invalid. Kubernetes refuses it from 1.29 on, until"
                        " somebody removes the mark."
                    ),
                    DELETED: gettext_noop(
                        "There is no secret of this name, or it is being removed: its token is not"
                        " taken."
                    ),
                    ANOTHER_TYPE: gettext_noop(
                        "The secret of this name is no token of a service account. The portal"
                        " cannot delete it."
                    ),
                }
            ),
        ),
        Live(
            "last_used",
            present=gettext_noop("The token was last used on {last_used}."),
            absent=gettext_noop("The cluster has noted no use of the token."),
            unknown=gettext_noop("The cluster has noted no use of the token."),
        ),
        Live(
            "pods",
            present=gettext_noop("These pods name the secret:"),
            absent=gettext_noop("No pod names the secret."),
        ),
        Live(
            "bindings",
            present=gettext_noop("These bindings give its account rights:"),
            absent=gettext_noop("No binding that was read gives its account rights."),
        ),
    ),
    no_secret_compared=gettext_noop("The portal does not read what a secret holds."),
)

DELETE = ActionSpec(
    kind="kubernetes.token_secret.delete",
    version=1,
    title="Delete the secret with one token of a Kubernetes service account",
    sentence=(
        "Delete secret {name} in namespace {namespace} of cluster {cluster}: the one token in it"
        " ends."
    ),
    headline="Delete token secret {name} (namespace {namespace}, cluster {cluster})",
    headlines=("Delete {count} token secrets in namespace {namespace} of cluster {cluster}",),
    done="Secret {name} of {namespace} in {cluster} is deleted, and its token ends.",
    target_kind=TOKEN_SECRET.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    # The API server remembers a token that it took for some seconds, and gives a request 60 s.
    propagation_s=60,
    # No version: each day's first use changes it, so whoever has the token could hold this up.
    pin_fields=("status", "uid", "service_account", "account_uid"),
    leads_to=MappingProxyType(
        {"status": DELETED, "uid": "", "service_account": "", "account_uid": ""}
    ),
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(
            none=gettext_noop(
                "A watch, a shell or a forwarded port that is open ends with its client. Who"
                " verifies the token offline takes it for ever: it has no end of its own."
            )
        ),
    ),
    ends_sessions=gettext_noop(
        "The API server refuses the token within a minute. What is open stays open."
    ),
    limits=(
        Limit(
            "pods",
            present=gettext_noop(
                "These pods name the secret. They keep a dead token, and do not start again"
                " without the secret: {value}."
            ),
            absent="",
            unknown=gettext_noop("It was not looked at which pods name the secret."),
            cuts=True,
        ),
        Limit(
            "owners",
            present=gettext_noop(
                "These can make a secret of this name again, and with it the same token. Take it"
                " out of them first: {value}."
            ),
            absent="",
            unknown=gettext_noop("It was not looked at who can make the secret again."),
        ),
        Limit(
            "finalizers",
            present=gettext_noop(
                "These keep the secret in the list after it is deleted. Its token ends all the"
                " same: {value}."
            ),
            absent="",
            unknown=gettext_noop("It was not looked at what keeps the secret in the list."),
        ),
        Limit(
            "bindings",
            present=gettext_noop(
                "The account stays, with the rights of these bindings for its other tokens:"
                " {value}."
            ),
            absent="",
            unknown=gettext_noop("It was not looked at which bindings give its account rights."),
        ),
    ),
    credential=never_cut(
        gettext_noop(
            "The operator's account can delete each secret that its role names, or every one of"
            " the namespace where the role names none."
        )
    ),
    cannot=(
        gettext_noop(
            "It cannot be undone: the portal never has the token. Who used it needs another way in."
        ),
        gettext_noop(
            "It ends no other token of the account: neither those of pods and of token requests,"
            " nor those of other secrets. Removing the account ends all of them."
        ),
        gettext_noop(
            "It does not keep anybody from making a secret of this name for the same account. Its"
            " token can be the very same one, and is then taken again. Choose another name."
        ),
        gettext_noop(
            "It does nothing where the API server runs with --service-account-lookup=false: it"
            " takes tokens without looking at their secrets."
        ),
        gettext_noop("It does not undo what was done or made with the token."),
    ),
)
