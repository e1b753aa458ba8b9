"""PostgreSQL: login roles of a cluster."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Protected,
    Provider,
    TargetSpec,
    gettext_noop,
    pgettext,
)

# Every attribute by which the functions on the target refuse a role, with its word for people.
REFUSED = MappingProxyType(
    {
        "superuser": "SUPERUSER",
        "createrole": "CREATEROLE",
        "replication": "REPLICATION",
        "bypassrls": "BYPASSRLS",
    }
)
# Roles with which their members can let themselves in again, or end the portal's own sessions.
POWERFUL = (
    "pg_signal_backend",
    "pg_execute_server_program",
    "pg_write_server_files",
    "hitl_observer",
    "hitl_operator",
    "hitl_ops_owner",
)
_PIN = ("login", *REFUSED, "member_of_managed", "oid")
_PIN_1 = ("login", "superuser", "member_of_managed", "oid")
_NO_SESSION = gettext_noop("It ends no session.")

ROLE = TargetSpec(
    kind="postgres.role",
    title=gettext_noop("PostgreSQL role"),
    fields={
        "cluster": r"[a-z0-9][a-z0-9_-]{0,62}",
        # Any text: with quotes PostgreSQL takes every character but NUL.
        "role": r"[^\x00]+",
    },
    # NAMEDATALEN - 1 bytes (PostgreSQL manual, 4.1.1).
    escaped=MappingProxyType({"role": 63}),
    distinguishing="role",
    example={"cluster": "billing", "role": "svc_reporting"},
    names=("role",),
    protected=(
        Protected("cluster", "the cluster belongs to the portal"),
        # The portal's own logins, and the roles that administer a cluster (PostgreSQL reserves
        # pg_*).
        Protected("role", "the role administers the cluster", r"hitl_.*|pg_.*|postgres"),
    ),
    shown_fields=(
        "sessions",
        "last_activity",
        "valid_until",
        "owned_objects",
        "prepared_transactions",
        "member_of",
        "can_become",
        "members",
        "member_sessions",
        "definer_functions",
        "servers",
        "standbys_unseen",
        "subscribers",
        "pooler",
    ),
    live_fields=("session_places",),
    live=(
        Live(
            "login",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("It can log in."),
                    "no": gettext_noop("It cannot log in."),
                }
            ),
        ),
        Live(
            "valid_until",
            gettext_noop("Its password is valid until {valid_until}."),
            gettext_noop("Its password has no end date."),
        ),
        Live(
            "sessions",
            gettext_noop("Open sessions: {sessions}. Last activity: {last_activity}."),
            gettext_noop("It has no open session."),
        ),
        Live("session_places", gettext_noop("Sessions on the primary, as the clients name them:")),
        Live(
            "members",
            gettext_noop("Other roles are members of it and have its rights: {members}."),
            gettext_noop("No other role is a member of it."),
        ),
        Live("standbys_unseen", gettext_noop("Not looked at: {standbys_unseen}.")),
    ),
)

_LIMITS = (
    Limit(
        "members",
        gettext_noop(
            "It does not stop its members. They keep its rights, and sessions in which they took"
            " the role on go on: {value}."
        ),
        "",
        gettext_noop("Members of the role were not looked at. They keep its rights."),
    ),
    Limit(
        "member_sessions",
        gettext_noop(
            "Members have open sessions. PostgreSQL does not show in which of them they took the"
            " role on: {value}."
        ),
        "",
        gettext_noop("Sessions of members were not looked at."),
    ),
    Limit(
        "definer_functions",
        gettext_noop(
            "It does not stop functions that run with the role's rights for others: {value}."
        ),
        "",
        gettext_noop("Functions that run with the role's rights for others were not looked at."),
    ),
    Limit(
        "standbys_unseen",
        gettext_noop("It does not end sessions on standbys that were not looked at: {value}."),
        "",
        gettext_noop("Standbys were not looked at. It does not end sessions there."),
    ),
    Limit(
        "subscribers",
        gettext_noop("Subscribers of logical replication have roles of their own: {value}."),
        "",
        gettext_noop("Subscribers of logical replication were not looked at."),
    ),
    Limit(
        "prepared_transactions",
        gettext_noop("Transactions prepared for two-phase commit keep their locks: {value}."),
        "",
        gettext_noop("Transactions prepared for two-phase commit were not looked at."),
    ),
    Limit(
        "pooler",
        gettext_noop("It does not end sessions that a pooler opened as another role: {value}."),
        "",
        gettext_noop(
            "A connection pooler cannot be seen. Sessions that one opened as another role are not"
            " ended."
        ),
    ),
)

_DISABLE_1 = ActionSpec(
    kind="postgres.role.disable",
    version=1,
    title="Disable a PostgreSQL role",
    sentence="Take the right to log in from role {role} on PostgreSQL cluster {cluster},"
    " and end its open sessions.",
    done="Login of {role} on {cluster} is off.",
    target_kind=ROLE.kind,
    rollback="postgres.role.enable",
    reversible=True,
    hard_timeout_s=15,
    propagation_s=0,
    pin_fields=_PIN_1,
    leads_to=MappingProxyType({"login": False}),
    removes_access=True,
    ends_sessions=gettext_noop(
        "It ends every open session of the role, after new logins are refused."
    ),
    cannot=(
        gettext_noop("It does not revoke grants: other roles that are members of it keep them."),
        gettext_noop("It does not change the password."),
        gettext_noop("Sessions that a connection pooler opened as another role are not ended."),
        gettext_noop("A transaction that was prepared for two-phase commit keeps its locks."),
        gettext_noop(
            "Roles that administer the cluster (superuser, CREATEROLE, REPLICATION, BYPASSRLS)"
            " are refused."
        ),
    ),
)

DISABLE = replace(
    _DISABLE_1,
    version=2,
    pin_fields=_PIN,
    ends_sessions=gettext_noop(
        "It ends every open session of the role, after new logins are refused, on the primary and"
        " on each standby that the worker can look at."
    ),
    cannot=(
        gettext_noop("It revokes no grant."),
        gettext_noop("It does not change the password."),
        gettext_noop(
            "A standby that reads an archive, without a connection to its primary, is not seen."
        ),
        gettext_noop(
            "Roles that administer the cluster (superuser, CREATEROLE, REPLICATION, BYPASSRLS)"
            " are refused."
        ),
    ),
    limits=_LIMITS,
    headline="Disable login for PostgreSQL role {role} (cluster {cluster}) and close its open"
    " sessions",
    headlines=(
        "Disable {count} PostgreSQL roles on {cluster}",
        "Disable {count} PostgreSQL roles",
    ),
    undone=gettext_noop("login can be enabled again"),
    earlier=(_DISABLE_1,),
)

_ENABLE_1 = ActionSpec(
    kind="postgres.role.enable",
    version=1,
    title="Enable a PostgreSQL role",
    sentence="Give role {role} on PostgreSQL cluster {cluster} the right to log in.",
    done="Login of {role} on {cluster} is on.",
    target_kind=ROLE.kind,
    rollback=DISABLE.kind,
    reversible=True,
    hard_timeout_s=15,
    propagation_s=0,
    pin_fields=_PIN_1,
    leads_to=MappingProxyType({"login": True}),
    ends_sessions=_NO_SESSION,
    cannot=(gettext_noop("It does not restore sessions that were ended."),),
    grants_access=True,
)

ENABLE = replace(
    _ENABLE_1,
    version=2,
    pin_fields=_PIN,
    headline="Enable login for PostgreSQL role {role} (cluster {cluster})",
    headlines=(
        "Enable {count} PostgreSQL roles on {cluster}",
        "Enable {count} PostgreSQL roles",
    ),
    undone=gettext_noop("login can be disabled again"),
    earlier=(_ENABLE_1,),
)

PROVIDER = Provider(
    name="postgres",
    title="PostgreSQL",
    targets=(ROLE,),
    actions=(DISABLE, ENABLE),
    words={
        "cluster": pgettext("field of a target", "cluster"),
        "role": pgettext("field of a target", "role"),
        "login": pgettext("field of an observation", "login"),
        "superuser": pgettext("field of an observation", "superuser"),
        "createrole": pgettext("field of an observation", "may create roles"),
        "replication": pgettext("field of an observation", "replication"),
        "bypassrls": pgettext("field of an observation", "bypasses row security"),
        "member_of_managed": pgettext("field of an observation", "member of managed"),
        "oid": pgettext("field of an observation", "oid"),
        "sessions": pgettext("field of an observation", "sessions"),
        "session_places": pgettext("field of an observation", "sessions by client"),
        "last_activity": pgettext("field of an observation", "last activity"),
        "valid_until": pgettext("field of an observation", "valid until"),
        "owned_objects": pgettext("field of an observation", "owned objects"),
        "prepared_transactions": pgettext("field of an observation", "prepared transactions"),
        "member_of": pgettext("field of an observation", "member of"),
        "can_become": pgettext("field of an observation", "can become"),
        "members": pgettext("field of an observation", "members"),
        "member_sessions": pgettext("field of an observation", "sessions of members"),
        "definer_functions": pgettext("field of an observation", "functions with its rights"),
        "servers": pgettext("field of an observation", "servers"),
        "standbys_unseen": pgettext("field of an observation", "standbys not looked at"),
        "subscribers": pgettext("field of an observation", "logical subscribers"),
        "pooler": pgettext("field of an observation", "pooler"),
    },
)
