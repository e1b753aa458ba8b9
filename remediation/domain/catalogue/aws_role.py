"""AWS: an IAM role, whose older sessions are denied, and one name of its sessions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.aws_rotation import ACCOUNT, NAME
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    Protected,
    TargetSpec,
    gettext_noop,
)

# STS AssumeRole API: 2 to 64 characters of [\w+=,.@-].
SESSION_NAME = r"[A-Za-z0-9_+=,.@-]{2,64}"
# Whole seconds: their texts sort as their times do.
_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
_NOT_EDITABLE = Protected(
    "role",
    "IAM Identity Center makes it from a permission set, and IAM cannot change it",
    r"AWSReservedSSO_.*",
)
_SHOWN = (
    "iam_path",
    "iam_policies",
    "assumed_by",
    "session_s",
    "last_used",
    "last_used_region",
    "uncut",
)
_LIVE = (
    Live(
        "assumed_by",
        gettext_noop("The role can be assumed by:"),
        gettext_noop("The role's trust policy names nobody."),
    ),
    Live(
        "last_used",
        gettext_noop("Last used {last_used} in region {last_used_region}."),
        gettext_noop("AWS shows no use of it."),
    ),
)
_NO_SECRET = gettext_noop(
    "AWS has nothing that temporary credentials can be compared with, and lists no sessions."
)

ROLE = TargetSpec(
    kind="aws.iam.role",
    title=gettext_noop("AWS IAM role"),
    fields={"account": ACCOUNT, "role": NAME},
    distinguishing="role",
    example={"account": "123456789012", "role": "build"},
    names=("role",),
    account="account",
    protected=(_NOT_EDITABLE,),
    shown_fields=(*_SHOWN, "earlier"),
    live=(
        Live(
            "revocations",
            gettext_noop("Sessions issued before these times are denied: {revocations}."),
            gettext_noop("No policy denies its older sessions."),
        ),
        *_LIVE,
    ),
    no_secret_compared=_NO_SECRET,
)
SESSION = TargetSpec(
    kind="aws.role_session",
    title=gettext_noop("AWS role sessions of one name"),
    fields={"account": ACCOUNT, "role": NAME, "session": SESSION_NAME},
    distinguishing="session",
    example={"account": "123456789012", "role": "build", "session": "i-0123456789abcdef0"},
    names=("role", "session"),
    account="account",
    protected=(_NOT_EDITABLE,),
    shown_fields=_SHOWN,
    live=(
        Live(
            "denied",
            gettext_noop("Denied by the portal's policy: {denied}."),
            values=MappingProxyType(
                {
                    "no": gettext_noop("The portal's policy is not there: the name is not denied."),
                    "yes": gettext_noop("The portal's policy denies sessions of this name."),
                    "other": gettext_noop(
                        "A policy has the name of the portal's, with another text."
                    ),
                }
            ),
        ),
        *_LIVE,
    ),
    no_secret_compared=_NO_SECRET,
)

_AGAIN = Limit(
    "assumed_by",
    present=gettext_noop("These can assume the role again at once: {value}."),
    absent=gettext_noop("The role's trust policy names nobody who can assume it again."),
    unknown=gettext_noop("It was not looked at who can assume the role again."),
)
_OTHER_NAME = Limit(
    "assumed_by",
    present=gettext_noop("These can assume the role under another name at once: {value}."),
    absent=gettext_noop("The role's trust policy names nobody who can assume it."),
    unknown=gettext_noop("It was not looked at who can assume the role."),
)
_CREDENTIAL = Limit(
    "uncut",
    present=gettext_noop("The worker's login is not cut to this step: {value}."),
    absent=gettext_noop(
        "The worker's session is cut to putting or deleting inline policies of this role, for 15"
        " minutes; IAM cannot cut it to one policy or one text, so a thief of the session could"
        " give the role rights."
    ),
    unknown=gettext_noop("It was not looked at whether the worker's login is cut to this step."),
)
_BEFORE: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"before": {"type": "string", "pattern": rf"^{_INSTANT}$"}},
        "required": ["before"],
        "additionalProperties": False,
    }
)
_CANNOT = (
    gettext_noop("It does not touch what the sessions made: keys, users, roles, instances."),
    gettext_noop("Who may change the role's policies can delete it again."),
    gettext_noop("AWS answers GetCallerIdentity whatever is denied."),
    gettext_noop("Services may take requests for some minutes more."),
)

REVOKE = ActionSpec(
    kind="aws.iam_role.revoke_sessions",
    version=1,
    title="Deny older sessions of an AWS IAM role",
    sentence="Deny sessions of IAM role {role} in AWS account {account} that were issued before a"
    " given time.",
    headline="Deny older sessions of AWS IAM role {role} (account {account})",
    headlines=(
        "Deny older sessions of {count} IAM roles in AWS account {account}",
        "Deny older sessions of {count} AWS IAM roles",
    ),
    done="Sessions of IAM role {role} that were issued before the given time are denied.",
    undone=gettext_noop("sessions from before have the role's rights again, until they end"),
    target_kind=ROLE.kind,
    rollback="aws.iam_role.restore_sessions",
    reversible=True,
    hard_timeout_s=45,
    # "Disabling permissions for temporary security credentials": a few minutes.
    propagation_s=300,
    # `revocations`: the times of the policy AWSRevokeOlderSessions; the latest one counts.
    pin_fields=("revocations", "role_id"),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"revocations": Change(Op.ADD, parameter="before")}),
    ends_sessions=gettext_noop(
        "It ends no session, but each request of a session that was issued before the given time"
        " is refused, whoever holds it. Younger ones go on."
    ),
    limits=(_AGAIN,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It denies sessions of everybody who uses the role; an instance or a function fails"
            " until it has new credentials."
        ),
        gettext_noop("It does not change who can assume the role."),
        *_CANNOT,
    ),
    parameters=_BEFORE,
    example=MappingProxyType({"before": "2026-01-01T00:00:00Z"}),
)

RESTORE = ActionSpec(
    kind="aws.iam_role.restore_sessions",
    version=1,
    title="Take back a denial of older sessions of an AWS IAM role",
    sentence="Take back the denial of sessions of IAM role {role} in AWS account {account} that"
    " were issued before a given time.",
    headline="Take back a denial of older sessions of AWS IAM role {role} (account {account})",
    headlines=(
        "Take back denials of older sessions of {count} IAM roles in AWS account {account}",
        "Take back denials of older sessions of {count} AWS IAM roles",
    ),
    done="The denial of older sessions of IAM role {role} is taken back.",
    undone=gettext_noop("older sessions are denied again"),
    target_kind=ROLE.kind,
    rollback=REVOKE.kind,
    reversible=True,
    hard_timeout_s=45,
    propagation_s=300,
    pin_fields=("revocations", "role_id"),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"revocations": Change(Op.REMOVE, parameter="before")}),
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It removes only a policy of the portal's form."),
        gettext_noop("An earlier time that the policy has, too, stays denied."),
    ),
    parameters=_BEFORE,
    example=MappingProxyType({"before": "2026-01-01T00:00:00Z"}),
)

DENY_SESSION = ActionSpec(
    kind="aws.iam_role.deny_session_name",
    version=1,
    title="Deny sessions of one name of an AWS IAM role",
    sentence="Deny sessions named {session} of IAM role {role} in AWS account {account} every"
    " action.",
    headline="Deny sessions named {session} of AWS IAM role {role} (account {account})",
    headlines=(
        "Deny {count} session names of IAM role {role} in AWS account {account}",
        "Deny {count} session names of AWS IAM roles",
    ),
    done="Sessions named {session} of IAM role {role} are denied every action.",
    undone=gettext_noop("sessions of this name have the role's rights again"),
    target_kind=SESSION.kind,
    rollback="aws.iam_role.allow_session_name",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=300,
    pin_fields=("denied", "role_id"),
    leads_to=MappingProxyType({"denied": "yes"}),
    removes_access=True,
    lives_on=(),
    ends_sessions=gettext_noop(
        "It ends no session, but each request of a session of this name is refused, also of one"
        " that is made later. Sessions of other names go on."
    ),
    limits=(_OTHER_NAME,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It names a session, not a person: who assumes the role chooses the name, unless its"
            " trust policy fixes it."
        ),
        *_CANNOT,
    ),
)

ALLOW_SESSION = ActionSpec(
    kind="aws.iam_role.allow_session_name",
    version=1,
    title="Take back the denial of a session name of an AWS IAM role",
    sentence="Delete the portal's inline policy that denies sessions named {session} of IAM role"
    " {role} in AWS account {account}.",
    headline="Let sessions named {session} of AWS IAM role {role} go on (account {account})",
    headlines=(
        "Let {count} session names of IAM role {role} go on in AWS account {account}",
        "Let {count} session names of AWS IAM roles go on",
    ),
    done="The portal's policy no longer denies sessions named {session} of IAM role {role}.",
    undone=gettext_noop("sessions of this name are denied again"),
    target_kind=SESSION.kind,
    rollback=DENY_SESSION.kind,
    reversible=True,
    hard_timeout_s=45,
    propagation_s=300,
    pin_fields=("denied", "role_id"),
    leads_to=MappingProxyType({"denied": "no"}),
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    credential=_CREDENTIAL,
    cannot=(gettext_noop("It deletes only a policy that has exactly the portal's text."),),
)
