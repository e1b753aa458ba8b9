"""AWS: an IAM user as a whole. It is denied everything, or let go on."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.aws_rotation import ACCOUNT, NAME
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    TargetSpec,
    gettext_noop,
)

USER = TargetSpec(
    kind="aws.iam.user",
    title=gettext_noop("AWS IAM user"),
    fields={"account": ACCOUNT, "user": NAME},
    distinguishing="user",
    example={"account": "123456789012", "user": "deploy"},
    names=("user",),
    account="account",
    shown_fields=("iam_policies", "slots", "console", "password_last_used", "own", "uncut"),
    live=(
        Live(
            "denied",
            gettext_noop("Denied by the portal's policy: {denied}."),
            values=MappingProxyType(
                {
                    "no": gettext_noop("The portal's policy is not there: the user is not denied."),
                    "yes": gettext_noop("The portal's policy denies the user everything."),
                    "other": gettext_noop(
                        "A policy has the name of the portal's, with another text."
                    ),
                }
            ),
        ),
        Live(
            "iam_policies",
            gettext_noop("The user has these policies, besides those of its groups:"),
            gettext_noop("The user has no policy of its own; groups may give it rights."),
        ),
        Live(
            "slots",
            gettext_noop("The user has these keys:"),
            gettext_noop("The user has no key."),
        ),
        Live(
            "console",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("It has a password for the console."),
                    "no": gettext_noop("It has no password for the console."),
                }
            ),
        ),
    ),
    no_secret_compared=gettext_noop(
        "AWS has nothing that a secret access key or a password can be compared with. The access"
        " key id in the evidence says which key it is."
    ),
)

CREDENTIAL = Limit(
    "uncut",
    present=gettext_noop("The worker's login is not cut to this step: {value}."),
    absent=gettext_noop(
        "The worker's session is cut to putting or deleting inline policies of this user, for 15"
        " minutes; IAM cannot cut it to one policy or one text, so a thief of the session could"
        " give the user rights."
    ),
    unknown=gettext_noop("It was not looked at whether the worker's login is cut to this step."),
)
_SLOTS = Limit(
    "slots",
    present=gettext_noop("The user's access keys stay as they are: {value}."),
    absent=gettext_noop("The user has no access key."),
    unknown=gettext_noop("It was not looked at whether the user has access keys."),
)
_CONSOLE = Limit(
    "console",
    present=gettext_noop("The user can still sign in to the console, and can do nothing there."),
    absent=gettext_noop("The user has no password for the console."),
    unknown=gettext_noop("It was not looked at whether the user has a password for the console."),
)
_BACK = Limit(
    "iam_policies",
    present=gettext_noop("These policies count again, and those of its groups: {value}."),
    absent=gettext_noop("It has no policy of its own; those of its groups count again."),
    unknown=gettext_noop("It was not looked at which policies count again."),
)

DENY_ALL = ActionSpec(
    kind="aws.iam_user.deny_all",
    version=1,
    title="Deny an AWS IAM user everything",
    sentence="Deny IAM user {user} in AWS account {account} every action, by an inline policy.",
    headline="Deny AWS IAM user {user} everything (account {account})",
    headlines=(
        "Deny {count} IAM users everything in AWS account {account}",
        "Deny {count} AWS IAM users everything",
    ),
    done="IAM user {user} is denied every action.",
    undone=gettext_noop("the user has its rights again"),
    target_kind=USER.kind,
    rollback="aws.iam_user.allow_again",
    reversible=True,
    hard_timeout_s=45,
    # "it may take a few minutes for policy updates to take effect": IAM User Guide, "Disabling
    # permissions for temporary security credentials".
    propagation_s=300,
    # Not its other policies: an intruder who changes them could keep the step from running, and
    # none of them counts against an explicit deny.
    pin_fields=("denied", "user_id"),
    leads_to=MappingProxyType({"denied": "yes"}),
    removes_access=True,
    lives_on=(
        LivesOn(
            opened_by=("AssumeRole",),
            none=gettext_noop(
                "Sessions of roles that it assumed go on. Deny the older sessions of each role"
                " (aws.iam_role.revoke_sessions)."
            ),
        ),
    ),
    ends_sessions=gettext_noop(
        "It ends no session, but requests are refused: with each key of the user, in the console,"
        " and with temporary credentials of GetSessionToken and GetFederationToken."
    ),
    limits=(_SLOTS, _CONSOLE),
    credential=CREDENTIAL,
    cannot=(
        gettext_noop(
            "Sessions of roles that the user assumed before go on: the role's policies count for"
            " them, not the user's."
        ),
        gettext_noop("It does not touch other keys, users or roles that the user may have made."),
        gettext_noop("Who may change the user's policies can delete it again."),
        gettext_noop("AWS answers GetCallerIdentity whatever is denied."),
        gettext_noop("Services may take requests for some minutes more."),
    ),
)

ALLOW_AGAIN = ActionSpec(
    kind="aws.iam_user.allow_again",
    version=1,
    title="Take back the denial of an AWS IAM user",
    sentence="Delete the portal's inline policy that denies IAM user {user} in AWS account"
    " {account} every action.",
    headline="Let AWS IAM user {user} go on (account {account})",
    headlines=(
        "Let {count} IAM users go on in AWS account {account}",
        "Let {count} AWS IAM users go on",
    ),
    done="The portal's policy no longer denies IAM user {user}.",
    undone=gettext_noop("the user is denied everything again"),
    target_kind=USER.kind,
    rollback=DENY_ALL.kind,
    reversible=True,
    hard_timeout_s=45,
    propagation_s=300,
    # The other policies are what the user gets back.
    pin_fields=("denied", "user_id", "iam_policies"),
    leads_to=MappingProxyType({"denied": "no"}),
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    limits=(_BACK,),
    credential=CREDENTIAL,
    cannot=(
        gettext_noop("It deletes only a policy that has exactly the portal's text."),
        gettext_noop("It does not make keys or a password safe to use again."),
    ),
)

DELETE_PASSWORD = ActionSpec(
    kind="aws.iam_login_profile.delete",
    version=1,
    title="Delete the console password of an AWS IAM user",
    sentence="Delete the password with which IAM user {user} in AWS account {account} signs in to"
    " the console.",
    headline="Delete the console password of AWS IAM user {user} (account {account})",
    headlines=(
        "Delete the console passwords of {count} IAM users in AWS account {account}",
        "Delete the console passwords of {count} AWS IAM users",
    ),
    done="IAM user {user} has no password for the console.",
    target_kind=USER.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=300,
    pin_fields=("console", "user_id"),
    leads_to=MappingProxyType({"console": False}),
    retires=True,
    lives_on=(LivesOn(opened_by=("ConsoleLogin",), action="aws.iam_user.deny_all"),),
    ends_sessions=gettext_noop(
        "It ends no session: nobody can sign in with the password, and an open session of the"
        " console may go on until it ends."
    ),
    limits=(_SLOTS,),
    credential=Limit(
        "uncut",
        present=gettext_noop("The worker's login is not cut to this step: {value}."),
        absent=gettext_noop(
            "The worker's session is cut to deleting the password of this user, for 15 minutes."
        ),
        unknown=gettext_noop(
            "It was not looked at whether the worker's login is cut to this step."
        ),
    ),
    cannot=(
        gettext_noop("It cannot bring the password back: AWS shows it to nobody."),
        gettext_noop("It does not touch the user's keys: with them the user still gets in."),
        gettext_noop("It does not delete the user's MFA devices."),
    ),
)
