"""Valkey (and Redis): users of the access control list."""

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
    Protected,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

USER = TargetSpec(
    kind="valkey.user",
    title=gettext_noop("Valkey user"),
    fields={
        "server": r"[a-z0-9][a-z0-9_-]{0,62}",
        # The server takes every name without white space and NUL.
        "user": r"[^\s\x00]+",
    },
    escaped=MappingProxyType({"user": 100}),
    distinguishing="user",
    example={"server": "sessions", "user": "svc_cart"},
    names=("user",),
    account="server",
    protected=(
        Protected(
            "user",
            "every client that names no user is this one",
            "default",
        ),
    ),
    shown_fields=("nodes", "connections", "addresses", "last_active_s", "passwords", "persisted"),
    live=(
        Live(
            "status",
            gettext_noop("The user is {status}."),
            values=MappingProxyType(
                {
                    "on": gettext_noop("The user is on: it can sign in at every node."),
                    "off": gettext_noop("The user is off: no node lets it sign in."),
                    "mixed": gettext_noop("The user is on at some nodes and off at others."),
                }
            ),
        ),
        Live(
            "connections",
            gettext_noop("Its open connections: {connections}."),
            gettext_noop("It has no open connection."),
        ),
    ),
)

_PERSISTED = Limit(
    "persisted",
    present=gettext_noop("It is kept over a restart: {value}."),
    absent=gettext_noop(
        "No node has an ACL file: after a restart the user is as its configuration file says."
    ),
    unknown=gettext_noop("It was not looked at whether it is kept over a restart."),
)
_CREDENTIAL = never_cut(
    gettext_noop("The operator's user can change every user of the server, itself included.")
)
_END: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"end_connections": {"type": "boolean"}},
        "required": ["end_connections"],
        "additionalProperties": False,
    }
)
_PIN = ("status", "rights")
_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"

DISABLE = ActionSpec(
    kind="valkey.user.disable",
    version=1,
    title="Switch a Valkey user off",
    sentence="Switch user {user} of Valkey {server} off at each node.",
    headline="Switch off Valkey user {user} (server {server})",
    headlines=("Switch off {count} Valkey users on server {server}",),
    done="User {user} of {server} is off.",
    undone=gettext_noop("the user can sign in again"),
    target_kind=USER.kind,
    rollback="valkey.user.enable",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "off"}),
    leaves=True,
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(
            "connections",
            parameter="end_connections",
            action="valkey.user.end_connections",
            before="begun_before",
        ),
    ),
    parameters=_END,
    narrows=MappingProxyType({"end_connections": Narrows.TO_FALSE}),
    example=MappingProxyType({"end_connections": True}),
    ends_sessions=gettext_noop(
        "Open connections keep working unless the step ends them: being off is asked at sign-in."
    ),
    limits=(_PERSISTED,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not change the password: switched on again, the old one works."),
        gettext_noop("It does not reach a node that the targets file does not name."),
        gettext_noop("It does not undo what the user wrote, nor scripts that it loaded."),
        gettext_noop(
            "Where a node has an ACL file, it is written anew: a change of the file that the node"
            " has not loaded yet is lost."
        ),
    ),
)
ENABLE = ActionSpec(
    kind="valkey.user.enable",
    version=1,
    title="Switch a Valkey user on",
    sentence="Switch user {user} of Valkey {server} on at each node.",
    headline="Switch on Valkey user {user} (server {server})",
    headlines=("Switch on {count} Valkey users on server {server}",),
    done="User {user} of {server} is on.",
    undone=gettext_noop("the user is off again"),
    target_kind=USER.kind,
    rollback="valkey.user.disable",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "on"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends no connection."),
    limits=(_PERSISTED,),
    credential=_CREDENTIAL,
    cannot=(gettext_noop("It does not change the password: who had it can sign in again."),),
)
END_CONNECTIONS = ActionSpec(
    kind="valkey.user.end_connections",
    version=1,
    title="End old connections of a Valkey user",
    sentence="End the connections of user {user} of Valkey {server} that began before a given time,"
    " at each node.",
    headline="End old connections of Valkey user {user} (server {server})",
    headlines=("End old connections of {count} Valkey users on server {server}",),
    done="Connections of {user} of {server} that began before the given time have ended.",
    target_kind=USER.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({}),
    leaves=True,
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {"begun_before": {"type": "string", "pattern": f"^{_INSTANT}$"}},
            "required": ["begun_before"],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType({"begun_before": "2026-01-01T00:00:00Z"}),
    ends_sessions=gettext_noop(
        "It ends the user's connections that began before the given time, at each node. Younger"
        " ones go on."
    ),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("The user stays on: a client connects again at once with the same password."),
        gettext_noop(
            "A node counts in whole seconds: a connection that began in the second of the given"
            " time, or in the one after it, may be ended, too."
        ),
        gettext_noop(
            "It does not undo what the user wrote. A transaction that was not executed is lost."
        ),
        gettext_noop("It does not reach a node that the targets file does not name."),
    ),
)
PROVIDER = Provider(
    name="valkey",
    tested="Valkey 9",
    title="Valkey",
    targets=(USER,),
    actions=(DISABLE, ENABLE, END_CONNECTIONS),
    words=MappingProxyType(
        {
            "server": pgettext("field of a target", "server"),
            "user": pgettext("field of a target", "user"),
            "status": pgettext("field of an observation", "status"),
            "rights": pgettext("field of an observation", "rights"),
            "nodes": pgettext("field of an observation", "nodes"),
            "connections": pgettext("field of an observation", "open connections"),
            "addresses": pgettext("field of an observation", "addresses of connections"),
            "last_active_s": pgettext("field of an observation", "seconds since last active"),
            "passwords": pgettext("field of an observation", "number of passwords"),
            "persisted": pgettext("field of an observation", "kept over a restart in"),
            "end_connections": pgettext("parameter of an action", "end open connections"),
            "begun_before": pgettext("parameter of an action", "sessions that began before"),
        }
    ),
)
