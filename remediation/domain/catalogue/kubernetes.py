"""Kubernetes: workloads, role bindings, service accounts and their tokens.

Other secrets are report-only.
"""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue import kubernetes_account as account
from remediation.domain.catalogue import kubernetes_binding as binding
from remediation.domain.catalogue import kubernetes_rollout as rollout
from remediation.domain.catalogue import kubernetes_token as token
from remediation.domain.catalogue import kubernetes_workload as workload
from remediation.domain.catalogue.spec import Provider, TargetSpec, gettext_noop, pgettext

SECRET = TargetSpec(
    kind="kubernetes.secret",
    title=gettext_noop("Kubernetes secret"),
    fields=workload.NAME_FIELDS,
    distinguishing="name",
    example={"cluster": "prod-eu", "namespace": "billing", "name": "db-password"},
    names=("name",),
    report_only=True,
)

PROVIDER = Provider(
    name="kubernetes",
    tested="an emulator of its API, simulated",
    title="Kubernetes",
    targets=(
        account.SERVICE_ACCOUNT,
        SECRET,
        token.TOKEN_SECRET,
        workload.WORKLOAD,
        binding.ROLE_BINDING,
    ),
    actions=(
        workload.ISOLATE,
        workload.RELEASE,
        workload.SCALE_TO_ZERO,
        workload.SCALE_BACK,
        rollout.UNDO,
        rollout.REDO,
        binding.REMOVE,
        binding.RESTORE,
        binding.REMOVE_SUBJECT,
        binding.ADD_SUBJECT,
        account.REMOVE,
        account.RESTORE,
        token.DELETE,
    ),
    words=MappingProxyType(
        {
            "cluster": pgettext("field of a target", "cluster"),
            "namespace": pgettext("field of a target", "namespace"),
            "controller": pgettext("field of a target", "controller"),
            "binding": pgettext("field of a target", "role binding"),
            "isolated": pgettext("field of an observation", "cut off from the network"),
            "selector": pgettext("field of an observation", "selector of its pods"),
            "uid": pgettext("field of an observation", "identifier in the cluster"),
            "replicas": pgettext("field of an observation", "replicas"),
            "pods": pgettext("field of an observation", "pods"),
            "other_pods": pgettext("field of an observation", "pods of others that it selects"),
            "host_network": pgettext("field of an observation", "in the network of its node"),
            "service_account": pgettext("field of an observation", "service account"),
            "services": pgettext("field of an observation", "services that lead to it"),
            "ingresses": pgettext("field of an observation", "addresses from outside"),
            "allowed_by": pgettext("field of an observation", "policies that allow traffic"),
            "named_by": pgettext("field of an observation", "policies of others that name it"),
            "autoscalers": pgettext("field of an observation", "autoscalers"),
            "rollout": pgettext("field of an observation", "rollout of its template"),
            "template": pgettext("field of an observation", "pod template"),
            "template_after": pgettext("field of an observation", "pod template after the step"),
            "template_changes": pgettext("field of an observation", "parts that change"),
            "revision": pgettext("field of an observation", "template of revision"),
            "templates": pgettext("field of an observation", "replica sets of the revisions"),
            "instead_of": pgettext("parameter of an action", "instead of revision"),
            "bound": pgettext("field of an observation", "is there"),
            "role": pgettext("field of a target", "role"),
            "subjects": pgettext("field of an observation", "subjects"),
            "rules": pgettext("field of an observation", "what the role allows"),
            "elsewhere": pgettext("field of an observation", "other bindings of its subjects"),
            "settings": pgettext("field of an observation", "settings"),
            "bindings": pgettext("field of an observation", "bindings that give it rights"),
            "owners": pgettext("field of an observation", "owned by"),
            "status": pgettext("field of an observation", "status"),
            "account_uid": pgettext("field of an observation", "identifier of its account"),
            "last_used": pgettext("field of an observation", "last used"),
            "finalizers": pgettext("field of an observation", "held up by"),
            "made_by": pgettext("field of an observation", "step of the portal that made it"),
            "directions": pgettext("parameter of an action", "directions"),
            "subject": pgettext("field of an observation", "subject"),
        }
    ),
)
