"""PostgreSQL: login roles of a cluster."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Protected,
    Provider,
    TargetSpec,
    gettext_noop,
    pgettext,
)

_PIN = ("login", "superuser", "member_of_managed", "oid")
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
        "members",
    ),
)

DISABLE = ActionSpec(
    kind="postgres.role.disable",
    version=1,
    title="Disable a PostgreSQL role",
    sentence="Take the right to log in from role {role} on PostgreSQL cluster {cluster},"
    " and end its open sessions.",
    target_kind=ROLE.kind,
    rollback="postgres.role.enable",
    reversible=True,
    hard_timeout_s=15,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"login": False}),
    removes_access=True,
    ends_sessions=gettext_noop(
        "It ends every open session of the role, after new logins are refused."
    ),
    limits=(
        Limit(
            "members",
            present=gettext_noop(
                "Roles that are members of it keep its rights, and their sessions go on: {value}."
            ),
            absent="",
            unknown=gettext_noop(
                "It was not looked at which roles are members of it; members keep its rights."
            ),
        ),
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

ENABLE = ActionSpec(
    kind="postgres.role.enable",
    version=1,
    title="Enable a PostgreSQL role",
    sentence="Give role {role} on PostgreSQL cluster {cluster} the right to log in.",
    target_kind=ROLE.kind,
    rollback=DISABLE.kind,
    reversible=True,
    hard_timeout_s=15,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"login": True}),
    ends_sessions=_NO_SESSION,
    cannot=(gettext_noop("It does not restore sessions that were ended."),),
    grants_access=True,
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
        "member_of_managed": pgettext("field of an observation", "member of managed"),
        "oid": pgettext("field of an observation", "oid"),
        "sessions": pgettext("field of an observation", "sessions"),
        "last_activity": pgettext("field of an observation", "last activity"),
        "valid_until": pgettext("field of an observation", "valid until"),
        "owned_objects": pgettext("field of an observation", "owned objects"),
        "prepared_transactions": pgettext("field of an observation", "prepared transactions"),
        "member_of": pgettext("field of an observation", "member of"),
        "members": pgettext("field of an observation", "members"),
    },
)
