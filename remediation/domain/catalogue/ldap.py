"""LDAP directories (OpenLDAP): accounts that sign in by a bind."""

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

ACCOUNT = TargetSpec(
    kind="ldap.account",
    title=gettext_noop("LDAP account"),
    fields={
        "directory": r"[a-z0-9][a-z0-9_-]{0,62}",
        # The value of the naming attribute below the directory's base, as the directory writes it.
        # LDAP takes "a  b" for "a b", so only one space at a time is a name.
        "account": r"[^\s\x00-\x1f\x7f]+(?: [^\s\x00-\x1f\x7f]+)*",
    },
    escaped=MappingProxyType({"account": 100}),
    distinguishing="account",
    example={"directory": "corp", "account": "svc_cart"},
    names=("account",),
    account="directory",
    shown_fields=(
        "servers",
        "password_policies",
        "failed_lock",
        "failed_binds",
        "connections",
        "addresses",
        "last_bind",
        "ssh_keys",
    ),
    live=(
        Live(
            "status",
            gettext_noop("The account is {status}."),
            values=MappingProxyType(
                {
                    "open": gettext_noop("The account has no lock of an administrator."),
                    "locked": gettext_noop("The account has the lock of an administrator."),
                    "mixed": gettext_noop("The account is locked at some servers only."),
                }
            ),
        ),
        Live(
            "enforced",
            gettext_noop("Whether a lock counts at each server: {enforced}."),
            values=MappingProxyType(
                {
                    "yes": gettext_noop("A locked account cannot sign in with a password."),
                    "no": gettext_noop(
                        "A lock has no effect: the password policy does not lock this account."
                    ),
                    "not known": gettext_noop(
                        "Whether a lock has any effect is not known: the observer may not read it."
                    ),
                }
            ),
        ),
        Live(
            "failed_lock",
            gettext_noop("Failed sign-ins locked it at {failed_lock}."),
        ),
        Live(
            "connections",
            gettext_noop("Its open connections: {connections}."),
            gettext_noop("It has no open connection."),
            gettext_noop("The observer may not read its open connections."),
        ),
        Live("last_bind", gettext_noop("It last signed in at {last_bind}.")),
    ),
)

_CONNECTIONS = Limit(
    "connections",
    present=gettext_noop("{value} open connections go on with all their rights."),
    absent=gettext_noop("It had no open connection when the portal looked."),
    unknown=gettext_noop(
        "Open connections go on with all their rights; whether there are any was not seen."
    ),
)
_SSH_KEYS = Limit(
    "ssh_keys",
    present=gettext_noop(
        "It has {value} SSH keys in the directory: a host that reads them goes on to let it in."
    ),
    absent=gettext_noop("It has no SSH key in the directory."),
    unknown=gettext_noop("It was not seen whether it has SSH keys in the directory."),
)
_CREDENTIAL = never_cut(
    gettext_noop("The operator's login can lock and unlock every account below the base.")
)
_PIN = ("status", "enforced", "entry")
# A provider sends a change to its replicas at once (syncrepl, refreshAndPersist); measured: less
# than a second. A replica that was away tries again after its `retry`, mostly 60 s.
_REPLICATED_S = 60

LOCK = ActionSpec(
    kind="ldap.account.lock",
    version=1,
    title="Lock an LDAP account",
    sentence="Lock account {account} of directory {directory}, so that no password signs it in.",
    headline="Lock LDAP account {account} (directory {directory})",
    headlines=("Lock {count} LDAP accounts in directory {directory}",),
    done="Account {account} of {directory} is locked.",
    undone=gettext_noop("the account can sign in again"),
    target_kind=ACCOUNT.kind,
    rollback="ldap.account.unlock",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=_REPLICATED_S,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "locked"}),
    leaves=True,
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(
            "connections",
            none=gettext_noop("The server cannot end the connections of one account."),
        ),
    ),
    ends_sessions=gettext_noop(
        "It ends no connection: a lock is asked at sign-in, and the server cannot end one."
    ),
    limits=(_CONNECTIONS, _SSH_KEYS),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It does not stop sign-ins without a password of the directory: certificates,"
            " Kerberos, other SASL."
        ),
        gettext_noop(
            "It does not last if the password is changed: the server then removes the lock."
            " Who may change it, can take the lock away; an open connection of the account, too,"
            " if it may write its own password."
        ),
        gettext_noop("It does not end Kerberos tickets, tokens, or what SSSD keeps on hosts."),
        gettext_noop("It does not reach a server that the targets file does not name."),
    ),
)
UNLOCK = ActionSpec(
    kind="ldap.account.unlock",
    version=1,
    title="Unlock an LDAP account",
    sentence="Unlock account {account} of directory {directory}.",
    headline="Unlock LDAP account {account} (directory {directory})",
    headlines=("Unlock {count} LDAP accounts in directory {directory}",),
    done="Account {account} of {directory} is unlocked.",
    undone=gettext_noop("the account is locked again"),
    target_kind=ACCOUNT.kind,
    rollback="ldap.account.lock",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=_REPLICATED_S,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "open"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends no connection."),
    limits=(_SSH_KEYS,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not change the password: who had it can sign in again."),
        gettext_noop("It does not remove a lock by failed sign-ins; that one ends by its policy."),
    ),
)
PROVIDER = Provider(
    name="ldap",
    tested="OpenLDAP 2.5",
    title="LDAP",
    targets=(ACCOUNT,),
    actions=(LOCK, UNLOCK),
    words=MappingProxyType(
        {
            "directory": pgettext("field of a target", "directory"),
            "account": pgettext("field of a target", "account"),
            "status": pgettext("field of an observation", "status"),
            "enforced": pgettext("field of an observation", "lock has an effect"),
            "entry": pgettext("field of an observation", "id of the entry"),
            "servers": pgettext("field of an observation", "servers"),
            "password_policies": pgettext("field of an observation", "password policies"),
            "failed_lock": pgettext("field of an observation", "locked by failed sign-ins at"),
            "failed_binds": pgettext("field of an observation", "failed sign-ins since the last"),
            "connections": pgettext("field of an observation", "open connections"),
            "addresses": pgettext("field of an observation", "addresses of connections"),
            "last_bind": pgettext("field of an observation", "last sign-in"),
            "ssh_keys": pgettext("field of an observation", "SSH keys in the directory"),
        }
    ),
)
