"""Microsoft Entra: service principals disabled and enabled, and secrets of applications removed.

A thing is named by its object id, which is used once, and by the application's id: both must fit.
"""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

# Entra names no time after which each of its copies of the directory has a change.
SPREADING_SECONDS = 60
_TENANT = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_GUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
IN_FORCE, REMOVED = "in force", "removed"
_APP, _OBJECT = "1f0c6a52-7d1e-4c0b-9a43-3f2d51b7a001", "8b8e2f61-04d5-4c7e-8c55-6a1e0d9f2002"

SERVICE_PRINCIPAL = TargetSpec(
    kind="entra.service_principal",
    title=gettext_noop("Entra service principal"),
    fields={"tenant": _TENANT, "app_id": _GUID, "object_id": _GUID},
    distinguishing="object_id",
    example={"tenant": "acme", "app_id": _APP, "object_id": _OBJECT},
    names=("app_id",),
    shown_fields=("title", "principal_type", "sign_in_audience", "home_tenant"),
    live=(
        Live(
            "enabled",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The service principal is enabled: it can get tokens."),
                    "no": gettext_noop("The service principal is disabled: it gets no token."),
                }
            ),
        ),
        Live(
            "sign_in_audience",
            present=gettext_noop("Who may sign in with the application: {sign_in_audience}."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "Entra shows no secret of an application: there is nothing to compare with."
    ),
)
SECRET = TargetSpec(
    kind="entra.application_secret",
    title=gettext_noop("Secret of an Entra application"),
    fields={"tenant": _TENANT, "app_id": _GUID, "object_id": _GUID, "secret_key_id": _GUID},
    distinguishing="secret_key_id",
    example={
        "tenant": "acme",
        "app_id": _APP,
        "object_id": "5d2b7c90-9b0f-4f7a-a1d4-2c8e7f6a3003",
        "secret_key_id": "c4a9d3e7-52f8-4b61-8e0a-7b9c1d2e4004",
    },
    names=("app_id", "object_id"),
    shown_fields=(
        "title",
        "secret_name",
        "expires",
        "sign_in_audience",
        "remaining",
        "certificates",
        "federated",
    ),
    live=(
        Live(
            "status",
            values=MappingProxyType(
                {
                    IN_FORCE: gettext_noop("The secret is one of the application's secrets."),
                    REMOVED: gettext_noop(
                        "The application has no secret with this id: it was removed, or it never"
                        " was one."
                    ),
                }
            ),
        ),
        Live("expires", present=gettext_noop("It expires at {expires}.")),
    ),
    no_secret_compared=gettext_noop(
        "Entra shows no secret of an application: there is nothing to compare with."
    ),
)

_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's token can change each application and service principal that its app owns,"
        " or all of the tenant if it has Application.ReadWrite.All."
    )
)
_TOKENS = LivesOn(
    none=gettext_noop(
        "Access tokens that were issued before stay valid: for about an hour, or up to 24 hours for"
        " a managed identity, by a token lifetime policy, or with continuous access evaluation. No"
        " call revokes them."
    )
)

DISABLE = ActionSpec(
    kind="entra.service_principal.disable",
    version=1,
    title="Disable an Entra service principal",
    sentence=(
        "Disable service principal {object_id} of application {app_id} in Entra tenant {tenant}."
    ),
    headline=(
        "Disable service principal {object_id} (application {app_id}, Entra tenant {tenant})"
    ),
    headlines=("Disable {count} service principals in Entra tenant {tenant}",),
    done="Service principal {object_id} of application {app_id} in {tenant} is disabled.",
    undone=gettext_noop("the application can get tokens in the tenant again"),
    target_kind=SERVICE_PRINCIPAL.kind,
    rollback="entra.service_principal.enable",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    pin_fields=("enabled",),
    leads_to=MappingProxyType({"enabled": False}),
    removes_access=True,
    lives_on=(_TOKENS,),
    ends_sessions=gettext_noop(
        "Entra issues no new token to the application in this tenant, and nobody signs in to it."
        " Microsoft Graph refuses a token that is evaluated continuously; other APIs take it until"
        " it expires."
    ),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It does not reach other tenants: a multi-tenant application has a service principal"
            " in each."
        ),
        gettext_noop("The application's secrets and certificates stay as they are."),
        gettext_noop("It does not end sessions that the application keeps for its users."),
    ),
)
ENABLE = ActionSpec(
    kind="entra.service_principal.enable",
    version=1,
    title="Enable an Entra service principal",
    sentence=(
        "Enable service principal {object_id} of application {app_id} in Entra tenant {tenant}."
    ),
    headline=("Enable service principal {object_id} (application {app_id}, Entra tenant {tenant})"),
    headlines=("Enable {count} service principals in Entra tenant {tenant}",),
    done="Service principal {object_id} of application {app_id} in {tenant} is enabled.",
    undone=gettext_noop("the application gets no token in the tenant again"),
    target_kind=SERVICE_PRINCIPAL.kind,
    rollback="entra.service_principal.disable",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    pin_fields=("enabled",),
    leads_to=MappingProxyType({"enabled": True}),
    grants_access=True,
    ends_sessions=gettext_noop("It ends nothing."),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It changes no secret and no certificate: who had one can get tokens with it again."
        ),
    ),
)
REMOVE = ActionSpec(
    kind="entra.application_secret.remove",
    version=1,
    title="Remove a secret of an Entra application",
    sentence=(
        "Remove secret {secret_key_id} of application {app_id} ({object_id}) in Entra tenant"
        " {tenant}."
    ),
    headline=(
        "Remove secret {secret_key_id} of application {app_id} ({object_id}, Entra tenant {tenant})"
    ),
    headlines=(
        "Remove {count} secrets of application {app_id}",
        "Remove {count} secrets of applications in Entra tenant {tenant}",
    ),
    done="Application {app_id} in {tenant} has no secret {secret_key_id}.",
    target_kind=SECRET.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    # With a credential that came since, people would remove one and leave another.
    pin_fields=("status", "other_secrets", "certificate_ids", "federated_ids"),
    leads_to=MappingProxyType({"status": REMOVED}),
    removes_access=True,
    retires=True,
    lives_on=(_TOKENS,),
    ends_sessions=gettext_noop("Nobody gets a new token with the secret, in any tenant."),
    limits=(
        Limit(
            "remaining",
            gettext_noop("Other secrets of the application stay in force: {value}."),
            gettext_noop("The application has no other secret."),
            gettext_noop("Other secrets of the application were not looked at."),
        ),
        Limit(
            "certificates",
            gettext_noop("Certificates of the application stay in force: {value}."),
            gettext_noop("The application has no certificate."),
            gettext_noop("Certificates of the application were not looked at."),
        ),
        Limit(
            "federated",
            gettext_noop("Federated credentials of the application stay in force: {value}."),
            gettext_noop("The application has no federated credential."),
            gettext_noop("Federated credentials of the application were not looked at."),
        ),
    ),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It cannot be undone: Entra shows a secret once, and adds only new ones. Gentler:"
            " disable the service principal, which can be enabled again."
        ),
        gettext_noop(
            "It does not keep owners of the application from adding a secret, a certificate or a"
            " federated credential."
        ),
        gettext_noop("It does not reach secrets and certificates of the service principal itself."),
    ),
)

PROVIDER = Provider(
    name="entra",
    title="Microsoft Entra",
    tested="a simulated API only, made from Microsoft's description of Graph v1.0",
    targets=(SERVICE_PRINCIPAL, SECRET),
    actions=(DISABLE, ENABLE, REMOVE),
    words=MappingProxyType(
        {
            "tenant": pgettext("field of a target", "tenant"),
            "app_id": pgettext("field of a target", "id of the application"),
            "object_id": pgettext("field of a target", "id of the object"),
            "secret_key_id": pgettext("field of a target", "id of the secret"),
            "status": pgettext("field of an observation", "status"),
            "enabled": pgettext("field of an observation", "enabled"),
            "title": pgettext("field of an observation", "title"),
            "principal_type": pgettext("field of an observation", "type of service principal"),
            "sign_in_audience": pgettext("field of an observation", "who may sign in"),
            "home_tenant": pgettext("field of an observation", "tenant of the application"),
            "secret_name": pgettext("field of an observation", "name of the secret"),
            "expires": pgettext("field of an observation", "expires"),
            "other_secrets": pgettext("field of an observation", "ids of other secrets"),
            "certificate_ids": pgettext("field of an observation", "ids of certificates"),
            "federated_ids": pgettext("field of an observation", "ids of federated credentials"),
            "federated": pgettext("field of an observation", "federated credentials"),
            "remaining": pgettext("field of an observation", "other secrets"),
            "certificates": pgettext("field of an observation", "certificates"),
        }
    ),
)
