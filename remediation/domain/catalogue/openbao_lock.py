"""OpenBao: users of userpass and AppRoles are locked out of signing in, and let in again.

Neither has a switch. Both can be bound to addresses, so they are bound to one that no client has.
The password and the secret ids stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.openbao_entity import TOKENS_UNSEEN
from remediation.domain.catalogue.openbao_lease import SERVER, one_parameter
from remediation.domain.catalogue.openbao_token import PATH
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Narrows,
    Protected,
    TargetSpec,
    Word,
    gettext_noop,
    never_cut,
    pgettext,
)

# The name of the kind stands here and not its declaration, which imports this module's list.
_APPROLE = "openbao.approle"

USER = TargetSpec(
    kind="openbao.user",
    title=gettext_noop("OpenBao user"),
    fields={
        "server": SERVER,
        "mount": PATH,
        # OpenBao writes names of users in lower case; another case would be a second name.
        "user": r"[a-z0-9_](?:[a-z0-9_.-]{0,98}[a-z0-9_])?",
    },
    escaped=MappingProxyType({"mount": 100}),
    distinguishing="user",
    example={"server": "main", "mount": "userpass", "user": "deploy"},
    names=("user", "mount"),
    protected=(Protected("user", "the user belongs to the portal", r"hitl[_.-].*"),),
    shown_fields=("tokens", "tokens_unseen", "batch_tokens"),
    live=(
        Live(
            "status",
            values=MappingProxyType(
                {
                    "enabled": gettext_noop("The user may sign in from each address."),
                    "disabled": gettext_noop("No client has the address that it is bound to."),
                    "bound": gettext_noop("The user is bound to addresses of its own."),
                }
            ),
        ),
        Live(
            "tokens",
            gettext_noop("Tokens of the user that are valid now:"),
            gettext_noop("It has no valid token."),
            gettext_noop("The server's tokens were not looked at."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "The portal compares no password: asking OpenBao about one means signing in with it."
    ),
)

_END = one_parameter("end_tokens", {"type": "boolean"})
_PIN = ("status", "policies")
_TOKENS = Limit(
    "tokens",
    gettext_noop("Unless asked, its tokens stay valid and can be renewed: {value}."),
    gettext_noop("It has no valid token now."),
    gettext_noop("The server's tokens were not looked at."),
)
_BATCH = Limit(
    "batch_tokens",
    gettext_noop(
        "It gives batch tokens, which OpenBao can neither list nor revoke. Each lives until its"
        " end: {value}."
    ),
    "",
    gettext_noop("It was not looked at whether it gives batch tokens."),
)
_ENDS = gettext_noop(
    "Where asked, it revokes each token that a sign-in gave, with its children and their leases."
    " Tokens are not ended otherwise: OpenBao asks for the address at the sign-in."
)
_ADDRESS = gettext_noop(
    "It relies on the address that OpenBao sees. A proxy whose word OpenBao takes for it"
    " (x_forwarded_for) could let a client name 255.255.255.255."
)
_ORPHANS = gettext_noop(
    "It does not end orphan tokens that were made with a token; OpenBao does not show who made"
    " them."
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's token is not cut to this step: it can bind each user and role that its"
        " policy names to addresses, and revoke each token whose accessor is known."
    )
)
_LIMITS = (_TOKENS, TOKENS_UNSEEN, _BATCH)
_EXAMPLE = MappingProxyType({"end_tokens": True})
_NARROWS = MappingProxyType({"end_tokens": Narrows.TO_FALSE})

_TOKENS_LIVE = (LivesOn("tokens", parameter="end_tokens"),)

DISABLE_USER = ActionSpec(
    kind="openbao.user.disable",
    version=1,
    title="Lock an OpenBao user out",
    sentence="Bind user {user} (mount {mount}) on OpenBao {server} to an address that no client"
    " has.",
    headline="Lock out user {user} (mount {mount}, OpenBao {server})",
    headlines=("Lock out {count} users on OpenBao {server}",),
    done="User {user} (mount {mount}) on {server} cannot sign in.",
    undone=gettext_noop("the user signs in again with the same password"),
    target_kind=USER.kind,
    rollback="openbao.user.enable",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "disabled"}),
    leaves=True,
    removes_access=True,
    retires=True,
    lives_on=_TOKENS_LIVE,
    parameters=_END,
    narrows=_NARROWS,
    example=_EXAMPLE,
    ends_sessions=_ENDS,
    limits=_LIMITS,
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not change the password: let in again, the old one works."),
        gettext_noop(
            "Somebody who guesses passwords still sees which one is right: OpenBao answers 403 to"
            " that one, and 400 to others."
        ),
        _ADDRESS,
        _ORPHANS,
        gettext_noop("Other sign-ins of the same entity still work."),
    ),
)

ENABLE_USER = ActionSpec(
    kind="openbao.user.enable",
    version=1,
    title="Let an OpenBao user in again",
    sentence="Let user {user} (mount {mount}) on OpenBao {server} sign in from each address.",
    headline="Let in user {user} (mount {mount}, OpenBao {server})",
    headlines=("Let in {count} users on OpenBao {server}",),
    done="User {user} (mount {mount}) on {server} can sign in.",
    undone=gettext_noop("the user is locked out again"),
    target_kind=USER.kind,
    rollback="openbao.user.disable",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "enabled"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    credential=_CREDENTIAL,
    cannot=(gettext_noop("It does not change the password: who had it can sign in again."),),
)

DISABLE_APPROLE = ActionSpec(
    kind="openbao.approle.disable",
    version=1,
    title="Lock an OpenBao AppRole out",
    sentence="Bind the secret ids of AppRole {role} (mount {mount}) on OpenBao {server} to an"
    " address that no client has.",
    headline="Lock out AppRole {role} (mount {mount}, OpenBao {server})",
    headlines=("Lock out {count} AppRoles on OpenBao {server}",),
    done="Nobody can sign in with AppRole {role} (mount {mount}) on {server}.",
    undone=gettext_noop("its secret ids sign in again"),
    target_kind=_APPROLE,
    rollback="openbao.approle.enable",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=(*_PIN, "bind_secret_id"),
    leads_to=MappingProxyType({"status": "disabled"}),
    leaves=True,
    removes_access=True,
    retires=True,
    lives_on=_TOKENS_LIVE,
    parameters=_END,
    narrows=_NARROWS,
    example=_EXAMPLE,
    ends_sessions=_ENDS,
    limits=_LIMITS,
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It destroys no secret id: let in again, each of them signs in."),
        gettext_noop(
            "It cannot work on a role that asks for no secret id, nor on one that is bound to"
            " addresses already: those would be lost."
        ),
        _ADDRESS,
        _ORPHANS,
    ),
)

ENABLE_APPROLE = ActionSpec(
    kind="openbao.approle.enable",
    version=1,
    title="Let an OpenBao AppRole in again",
    sentence="Let AppRole {role} (mount {mount}) on OpenBao {server} sign in from each address.",
    headline="Let in AppRole {role} (mount {mount}, OpenBao {server})",
    headlines=("Let in {count} AppRoles on OpenBao {server}",),
    done="AppRole {role} (mount {mount}) on {server} can sign in.",
    undone=gettext_noop("the role is locked out again"),
    target_kind=_APPROLE,
    rollback="openbao.approle.disable",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=(*_PIN, "bind_secret_id"),
    leads_to=MappingProxyType({"status": "enabled"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    credential=_CREDENTIAL,
    cannot=(gettext_noop("It destroys no secret id: who has an old one can sign in again."),),
)

WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "user": pgettext("field of a target", "user"),
        "end_tokens": pgettext("parameter of an action", "revoke its tokens"),
    }
)
