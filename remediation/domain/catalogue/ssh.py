"""OpenSSH: keys that an account's authorized_keys files let in."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Narrows,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

KEY = TargetSpec(
    kind="ssh.authorized_key",
    title=gettext_noop("SSH key of an account"),
    fields={
        "host": r"[a-z0-9][a-z0-9._-]{0,62}",
        # What /etc/passwd and directories take; the host's own list decides.
        "account": r"[^\s\x00:/]+",
        # As sshd logs it. The last character holds 4 bits.
        "fingerprint": r"SHA256:[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]",
    },
    escaped=MappingProxyType({"account": 64, "fingerprint": 50}),
    distinguishing="fingerprint",
    example={
        "host": "build-1",
        "account": "deploy",
        "fingerprint": "SHA256:nhf9MjTmWuTBDkvQdxJH2YZzrr9RVL0X5/MLTk+G0G4",
    },
    names=("account",),
    holder="account",
    shown_fields=(
        *("files", "options", "authority", "sessions", "session_addresses", "unknown_sessions"),
        *("last_use", "other_ways"),
    ),
    live=(
        Live(
            "status",
            gettext_noop("The key is {status}."),
            values=MappingProxyType(
                {
                    "present": gettext_noop("The key lets in: its line stands in each file."),
                    "removed": gettext_noop("The key's line was taken out of each file."),
                    "mixed": gettext_noop("The key's line stands in some files only."),
                }
            ),
        ),
        Live(
            "sessions",
            gettext_noop("Open sessions of this key: {sessions}."),
            gettext_noop("It has no open session."),
            gettext_noop("Its sessions are not known: the host's program names no log of sshd."),
        ),
    ),
)

_OTHER_WAYS = Limit(
    "other_ways",
    present=gettext_noop("sshd may let the account in by more than these files: {value}."),
    absent=gettext_noop("sshd asks no program and no authority for keys, and reads no other file."),
    unknown=gettext_noop("It was not looked at what else sshd asks for keys."),
)
_AUTHORITY = Limit(
    "authority",
    present=gettext_noop(
        "The same key signs certificates that are let in; these lines stay: {value}."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at whether the key signs certificates."),
)
_UNKNOWN = Limit(
    "unknown_sessions",
    present=gettext_noop("Open sessions of the account whose key no log names: {value}."),
    absent=gettext_noop("The log of sshd names the key of each open session."),
    unknown=gettext_noop("The sessions are not known: the host's program names no log of sshd."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's login can remove any key of the accounts that the host's own list names,"
        " put back what was removed so, and end their sessions. It cannot add another key."
    )
)
_END: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"end_sessions": {"type": "boolean"}, "end_unknown": {"type": "boolean"}},
        "required": [],
        "additionalProperties": False,
    }
)
_PIN = ("status", "lines")

REMOVE = ActionSpec(
    kind="ssh.authorized_key.remove",
    version=1,
    title="Remove an SSH key of an account",
    sentence="Take key {fingerprint} out of the files of account {account} on host {host}.",
    headline="Remove SSH key {fingerprint} of {account} (host {host})",
    headlines=("Remove {count} SSH keys on host {host}",),
    done="Key {fingerprint} is in no file of {account} on {host}.",
    undone=gettext_noop("the key lets in again"),
    target_kind=KEY.kind,
    rollback="ssh.authorized_key.restore",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "removed"}),
    leaves=True,
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn("sessions", parameter="end_sessions"),
        LivesOn("unknown_sessions", parameter="end_unknown"),
    ),
    parameters=_END,
    narrows=MappingProxyType({"end_sessions": Narrows.TO_FALSE, "end_unknown": Narrows.TO_FALSE}),
    example=MappingProxyType({"end_sessions": True}),
    ends_sessions=gettext_noop(
        "Open sessions, their port forwards, and what shares their connection go on unless the"
        " step ends them: a key is asked for at sign-in only."
    ),
    limits=(_OTHER_WAYS, _AUTHORITY, _UNKNOWN),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It does not end programs that a session started: without a terminal they go on."
        ),
        gettext_noop("It does not reach the same key at other accounts and hosts."),
        gettext_noop("It does not touch other keys, passwords and certificates of the account."),
        gettext_noop(
            "It does not undo what the key's holder did: look for new keys and scheduled jobs."
        ),
    ),
)
RESTORE = ActionSpec(
    kind="ssh.authorized_key.restore",
    version=1,
    title="Put a removed SSH key of an account back",
    sentence="Put key {fingerprint} back into the files of account {account} on host {host}.",
    headline="Put SSH key {fingerprint} of {account} back (host {host})",
    headlines=("Put {count} SSH keys on host {host} back",),
    done="Key {fingerprint} is in the files of {account} on {host} again.",
    undone=gettext_noop("the key is taken out again"),
    target_kind=KEY.kind,
    rollback="ssh.authorized_key.remove",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "present"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It puts back only what was taken out by the portal on this host."),
        gettext_noop("It does not change the key: who had a copy can sign in again."),
    ),
)
PROVIDER = Provider(
    name="ssh",
    tested="OpenSSH 9.2",
    title="OpenSSH",
    targets=(KEY,),
    actions=(REMOVE, RESTORE),
    words=MappingProxyType(
        {
            "host": pgettext("field of a target", "host"),
            "account": pgettext("field of a target", "account"),
            "fingerprint": pgettext("field of a target", "fingerprint"),
            "status": pgettext("field of an observation", "status"),
            "lines": pgettext("field of an observation", "digest of its lines"),
            "files": pgettext("field of an observation", "files"),
            "options": pgettext("field of an observation", "names of its options"),
            "authority": pgettext("field of an observation", "lines as an authority"),
            "sessions": pgettext("field of an observation", "sessions"),
            "session_addresses": pgettext("field of an observation", "addresses of its sessions"),
            "unknown_sessions": pgettext(
                "field of an observation", "open sessions of an unknown key"
            ),
            "last_use": pgettext("field of an observation", "last sign-in in the log"),
            "other_ways": pgettext("field of an observation", "what else sshd asks for keys"),
            "end_sessions": pgettext("parameter of an action", "end sessions"),
            "end_unknown": pgettext(
                "parameter of an action", "end open sessions of an unknown key"
            ),
        }
    ),
)
