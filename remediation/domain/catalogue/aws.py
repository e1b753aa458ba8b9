"""AWS: access keys of IAM, and the list of all kinds and actions of AWS."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from remediation.domain.catalogue.aws_bucket import BLOCK, BUCKET, RESTORE_PUBLIC
from remediation.domain.catalogue.aws_instance import INSTANCE, ISOLATE, RESTORE_INSTANCE
from remediation.domain.catalogue.aws_role import (
    ALLOW_SESSION,
    DENY_SESSION,
    RESTORE,
    REVOKE,
    ROLE,
    SESSION,
)
from remediation.domain.catalogue.aws_rotation import (
    ACCOUNT,
    CREATE_KEY,
    CREDENTIAL,
    DISCARD_KEY,
    KEY_ID,
    NAME,
    USER_KEYS,
)
from remediation.domain.catalogue.aws_selectors import RESTORE_SELECTORS
from remediation.domain.catalogue.aws_trail import START_LOGGING, TRAIL
from remediation.domain.catalogue.aws_user import ALLOW_AGAIN, DELETE_PASSWORD, DENY_ALL, USER
from remediation.domain.catalogue.aws_words import WORDS
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Provider,
    TargetSpec,
    gettext_noop,
)

_PIN = ("status",)
_CANNOT = (
    gettext_noop("Services may accept the key for some minutes more."),
    gettext_noop(
        "It does not end sessions of temporary credentials that were made with the key before."
    ),
    gettext_noop("It does not touch other keys, roles or users that the key may have created."),
)

ACCESS_KEY = TargetSpec(
    kind="aws.iam.access_key",
    title=gettext_noop("AWS IAM access key"),
    fields={
        "account": ACCOUNT,
        "user": NAME,
        "access_key_id": KEY_ID,
    },
    distinguishing="access_key_id",
    example={
        "account": "123456789012",
        "user": "deploy",
        "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    },
    names=("user", "access_key_id"),
    account="account",
    holder="user",
    shown_fields=(
        "created",
        "last_used",
        "last_used_service",
        "last_used_region",
        "other_keys",
        "uncut",
    ),
    live=(
        Live(
            "status",
            gettext_noop("The key's status is {status}."),
            values=MappingProxyType(
                {
                    "Active": gettext_noop("The key is Active: requests signed with it are taken."),
                    "Inactive": gettext_noop("The key is Inactive: AWS refuses requests."),
                    "deleted": gettext_noop("The key is not listed: it was deleted, or never was."),
                }
            ),
        ),
        Live(
            "last_used",
            gettext_noop(
                "Last used {last_used} by service {last_used_service} in region {last_used_region}."
            ),
            gettext_noop("AWS shows no use of it."),
        ),
        Live(
            "other_keys",
            gettext_noop("The user has other access keys: {other_keys}."),
            gettext_noop("The user has no other access key."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "AWS has nothing that a secret access key can be compared with. The access key id in the"
        " evidence says which key it is; its status is above."
    ),
)
# There is no action on it; an incident can be about it.
ROOT = TargetSpec(
    kind="aws.iam.root",
    title=gettext_noop("AWS account root user"),
    fields={"account": ACCOUNT},
    distinguishing="account",
    example={"account": "123456789012"},
    account="account",
    report_only=True,
)

_OTHER_KEYS = (
    Limit(
        "other_keys",
        present=gettext_noop("The user has other access keys, which stay as they are: {value}."),
        absent=gettext_noop("The user has no other access key."),
        unknown=gettext_noop("It was not looked at whether the user has other access keys."),
    ),
)

_DEACTIVATE_1 = ActionSpec(
    kind="aws.iam.deactivate_access_key",
    version=1,
    title="Deactivate an AWS access key",
    sentence="Set access key {access_key_id} of IAM user {user} in AWS account {account}"
    " to Inactive.",
    done="Access key {access_key_id} of {user} is inactive.",
    target_kind=ACCESS_KEY.kind,
    rollback="aws.iam.activate_access_key",
    reversible=True,
    hard_timeout_s=30,
    # IAM is eventually consistent: a change of status takes minutes to reach every service.
    propagation_s=300,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "Inactive"}),
    removes_access=True,
    lives_on=(
        LivesOn(
            opened_by=("GetSessionToken", "GetFederationToken"),
            action="aws.iam_user.deny_all",
            target=MappingProxyType({"account": "{account}", "user": "{user}"}),
        ),
        LivesOn(
            opened_by=("AssumeRole",),
            none=gettext_noop(
                "Sessions of roles that it assumed go on. Deny the older sessions of each role"
                " (aws.iam_role.revoke_sessions)."
            ),
        ),
    ),
    ends_sessions=gettext_noop("It ends no session; requests signed with the key are refused."),
    limits=_OTHER_KEYS,
    cannot=_CANNOT,
)

_ACTIVATE_1 = ActionSpec(
    kind="aws.iam.activate_access_key",
    version=1,
    title="Activate an AWS access key",
    sentence="Set access key {access_key_id} of IAM user {user} in AWS account {account}"
    " to Active.",
    done="Access key {access_key_id} of {user} is active.",
    target_kind=ACCESS_KEY.kind,
    rollback=_DEACTIVATE_1.kind,
    reversible=True,
    hard_timeout_s=30,
    propagation_s=300,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "Active"}),
    ends_sessions=gettext_noop("It ends no session."),
    cannot=(gettext_noop("It does not make the key safe to use again."),),
    grants_access=True,
)

# Version 2: a look reads several times, and undoing what changed nothing makes no call.
DEACTIVATE = replace(
    _DEACTIVATE_1,
    version=2,
    headline="Deactivate AWS access key {access_key_id} of user {user} (account {account})",
    headlines=(
        "Deactivate {count} access keys of user {user} in AWS account {account}",
        "Deactivate {count} access keys in AWS account {account}",
        "Deactivate {count} AWS access keys",
    ),
    undone=gettext_noop("the key can be activated again"),
    retires=True,
    credential=CREDENTIAL,
    earlier=(_DEACTIVATE_1,),
)
ACTIVATE = replace(
    _ACTIVATE_1,
    version=2,
    headline="Activate AWS access key {access_key_id} of user {user} (account {account})",
    headlines=(
        "Activate {count} access keys of user {user} in AWS account {account}",
        "Activate {count} access keys in AWS account {account}",
        "Activate {count} AWS access keys",
    ),
    undone=gettext_noop("the key can be deactivated again"),
    credential=CREDENTIAL,
    earlier=(_ACTIVATE_1,),
)

DELETE = ActionSpec(
    kind="aws.access_key.delete",
    version=1,
    title="Delete an Inactive AWS access key",
    sentence="Delete the Inactive access key {access_key_id} of IAM user {user} in AWS account"
    " {account}.",
    headline="Delete Inactive AWS access key {access_key_id} of user {user} (account {account})",
    headlines=(
        "Delete {count} Inactive access keys of user {user} in AWS account {account}",
        "Delete {count} Inactive access keys in AWS account {account}",
        "Delete {count} Inactive AWS access keys",
    ),
    done="Access key {access_key_id} of {user} is deleted.",
    target_kind=ACCESS_KEY.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=30,
    propagation_s=300,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "deleted"}),
    # An Inactive key has no access that it could take away, so it contains no incident.
    ends_sessions=gettext_noop("It ends no session; the key was refused before."),
    limits=_OTHER_KEYS,
    credential=CREDENTIAL,
    cannot=(
        gettext_noop("It cannot bring a deleted key back."),
        gettext_noop("It does not delete an Active key, whatever its age."),
        *_CANNOT[1:],
    ),
)

PROVIDER = Provider(
    name="aws",
    tested="moto, a simulator",
    title="AWS",
    targets=(ACCESS_KEY, USER_KEYS, USER, ROLE, ROOT, SESSION, TRAIL, BUCKET, INSTANCE),
    actions=(
        *(DEACTIVATE, ACTIVATE, DELETE, CREATE_KEY, DISCARD_KEY),
        *(DENY_ALL, ALLOW_AGAIN, REVOKE, RESTORE, DENY_SESSION, ALLOW_SESSION),
        *(DELETE_PASSWORD, START_LOGGING, RESTORE_SELECTORS, BLOCK, RESTORE_PUBLIC),
        *(ISOLATE, RESTORE_INSTANCE),
    ),
    words=WORDS,
)
