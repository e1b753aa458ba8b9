"""PostgreSQL: a login role of a cluster, and what no action on one stops."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.spec import (
    Limit,
    Live,
    Protected,
    TargetSpec,
    gettext_noop,
    never_cut,
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
    "hitl_ticket",
    "hitl_ops_owner",
)
PIN = ("login", *REFUSED, "member_of_managed", "oid")
NO_SESSION = gettext_noop("It ends no session.")

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
        "uncut",
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

# hitl_ops.sql: what the operator's login can do without a ticket.
CREDENTIAL = never_cut(
    gettext_noop(
        "The worker's login is not cut to this step: it can disable and enable each enrolled role"
        " of the cluster, and end its sessions. It cannot set a password."
    )
)
# What a ticket allows, and who can open one (docs/operate/targets.md).
TICKET = Limit(
    "uncut",
    gettext_noop(
        "The worker's credential is not cut to this step: {value}. With both logins it can set the"
        " password of each enrolled role of the cluster."
    ),
    gettext_noop(
        "A new password takes a ticket for this role that an administrator of the target opens by"
        " hand: the worker's login can set no other password."
    ),
    gettext_noop(
        "A new password takes a ticket for this role. Where the worker holds the login that opens"
        " tickets, too, it is not cut to this step: it can set the password of each enrolled role"
        " of the cluster."
    ),
)

LIMITS = (
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
