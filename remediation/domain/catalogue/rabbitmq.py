"""RabbitMQ: users of its own list, switched off by a limit of 0 connections."""

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

# The form of domain/instant.py.
_INSTANT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z"

USER = TargetSpec(
    kind="rabbitmq.user",
    title=gettext_noop("RabbitMQ user"),
    fields={
        "server": r"[a-z0-9][a-z0-9_-]{0,62}",
        # The management API has no address for a name of one or two dots.
        "user": r"(?!\.{1,2}\Z)[^\x00]+",
    },
    escaped=MappingProxyType({"user": 100}),
    distinguishing="user",
    example={"server": "events", "user": "svc_orders"},
    names=("user",),
    account="server",
    shown_fields=(
        "connections",
        "old_connections",
        "addresses",
        "protocols",
        "own_limit",
        "tags",
        "stream_listeners",
    ),
    live=(
        Live(
            "status",
            gettext_noop("The user is {status}."),
            values=MappingProxyType(
                {
                    "on": gettext_noop("The user is on: it can open connections."),
                    "off": gettext_noop("The user is off: its limit is 0 connections."),
                }
            ),
        ),
        Live(
            "connections",
            gettext_noop("Its open connections: {connections}."),
            gettext_noop("It has no open connection."),
        ),
        Live(
            "tags",
            gettext_noop("With its password it can use the management API. Its tags: {tags}."),
            gettext_noop("It has no tag: the management API does not let it in."),
            gettext_noop("The observer may not read whether the management API lets it in."),
        ),
    ),
)

_STREAM = Limit(
    "stream_listeners",
    present=gettext_noop(
        "The stream protocol does not ask for the limit. The user can sign in at: {value}."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at whether there are listeners for streams."),
)
_TAGS = Limit(
    "tags",
    present=gettext_noop(
        "The management API lets the user in as before; it can declare queues there. Tags: {value}."
    ),
    absent="",
    unknown=gettext_noop(
        "The observer may not read the user's tags: with one, the management API lets it in as"
        " before."
    ),
)
_OWN_LIMIT = Limit(
    "own_limit",
    present=gettext_noop(
        "The user has a limit of {value} connections now. A rollback of this run sets it again;"
        " a later reversal leaves no limit."
    ),
    absent="",
    unknown=gettext_noop("It was not looked at whether the user has a limit of its own."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's user is an administrator: it can change every user of the server, itself"
        " included."
    )
)
_OUTSIDE = gettext_noop(
    "It does not work on a user that only LDAP, OAuth or another backend knows."
)
_END: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"end_connections": {"type": "boolean"}},
        "required": ["end_connections"],
        "additionalProperties": False,
    }
)
_BEFORE: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"begun_before": {"type": "string", "pattern": f"^{_INSTANT}$"}},
        "required": ["begun_before"],
        "additionalProperties": False,
    }
)
_PIN = ("status",)

DISABLE = ActionSpec(
    kind="rabbitmq.user.disable",
    version=1,
    title="Switch a RabbitMQ user off",
    sentence="Switch user {user} of RabbitMQ {server} off: set its limit to 0 connections.",
    headline="Switch off RabbitMQ user {user} (server {server})",
    headlines=("Switch off {count} RabbitMQ users on server {server}",),
    done="User {user} of {server} is off.",
    undone=gettext_noop("the user can open connections again"),
    target_kind=USER.kind,
    rollback="rabbitmq.user.enable",
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
            action="rabbitmq.user.end_connections",
            before="begun_before",
        ),
    ),
    parameters=_END,
    narrows=MappingProxyType({"end_connections": Narrows.TO_FALSE}),
    example=MappingProxyType({"end_connections": True}),
    ends_sessions=gettext_noop(
        "Open connections keep working, with new channels too, unless the step ends them: the"
        " limit is asked when a connection opens."
    ),
    limits=(_STREAM, _TAGS, _OWN_LIMIT),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not change the password: switched on again, the old one works."),
        gettext_noop("It does not undo what the user published, declared or consumed."),
        _OUTSIDE,
    ),
)
ENABLE = ActionSpec(
    kind="rabbitmq.user.enable",
    version=1,
    title="Switch a RabbitMQ user on",
    sentence="Switch user {user} of RabbitMQ {server} on: remove its limit of 0 connections.",
    headline="Switch on RabbitMQ user {user} (server {server})",
    headlines=("Switch on {count} RabbitMQ users on server {server}",),
    done="User {user} of {server} is on.",
    undone=gettext_noop("the user is off again"),
    target_kind=USER.kind,
    rollback="rabbitmq.user.disable",
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "on"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends no connection."),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("It does not change the password: who had it can sign in again."),
        gettext_noop("It sets no limit: one that the user had before it was off is not known."),
        _OUTSIDE,
    ),
)
END_CONNECTIONS = ActionSpec(
    kind="rabbitmq.user.end_connections",
    version=1,
    title="End old connections of a RabbitMQ user",
    sentence="End the connections of user {user} of RabbitMQ {server} that began before a given"
    " time.",
    headline="End old connections of RabbitMQ user {user} (server {server})",
    headlines=("End old connections of {count} RabbitMQ users on server {server}",),
    done="Connections of {user} at {server} that began before the given time have ended.",
    target_kind=USER.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({}),
    leaves=True,
    parameters=_BEFORE,
    example=MappingProxyType({"begun_before": "2026-01-01T00:00:00Z"}),
    ends_sessions=gettext_noop(
        "It ends the user's connections that began before the given time, by every protocol."
        " Younger ones go on."
    ),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop("The user can connect again at once with the password in force."),
        gettext_noop("Messages that were not acknowledged are delivered again, to anybody."),
    ),
)
PROVIDER = Provider(
    name="rabbitmq",
    tested="RabbitMQ 3.10",
    title="RabbitMQ",
    targets=(USER,),
    actions=(DISABLE, ENABLE, END_CONNECTIONS),
    words=MappingProxyType(
        {
            "server": pgettext("field of a target", "server"),
            "user": pgettext("field of a target", "user"),
            "status": pgettext("field of an observation", "status"),
            "connections": pgettext("field of an observation", "open connections"),
            "old_connections": pgettext(
                "field of an observation", "open connections from before the given time"
            ),
            "addresses": pgettext("field of an observation", "addresses of connections"),
            "protocols": pgettext("field of an observation", "protocols of connections"),
            "own_limit": pgettext("field of an observation", "limit of connections"),
            "tags": pgettext("field of an observation", "tags for the management API"),
            "stream_listeners": pgettext("field of an observation", "listeners for streams"),
            "end_connections": pgettext("parameter of an action", "end open connections"),
            "begun_before": pgettext("parameter of an action", "sessions that began before"),
        }
    ),
)
