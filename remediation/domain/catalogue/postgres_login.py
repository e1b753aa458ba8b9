"""PostgreSQL: the actions that turn the login of a role off and on."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

from remediation.domain.catalogue.postgres_role import CREDENTIAL, LIMITS, NO_SESSION, PIN, ROLE
from remediation.domain.catalogue.spec import ActionSpec, gettext_noop

_PIN_1 = ("login", "superuser", "member_of_managed", "oid")

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
    pin_fields=PIN,
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
    limits=LIMITS,
    headline="Disable login for PostgreSQL role {role} (cluster {cluster}) and close its open"
    " sessions",
    headlines=(
        "Disable {count} PostgreSQL roles on {cluster}",
        "Disable {count} PostgreSQL roles",
    ),
    undone=gettext_noop("login can be enabled again"),
    leaves=True,
    retires=True,
    lives_on=(),
    credential=CREDENTIAL,
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
    ends_sessions=NO_SESSION,
    cannot=(gettext_noop("It does not restore sessions that were ended."),),
    grants_access=True,
)

ENABLE = replace(
    _ENABLE_1,
    version=2,
    pin_fields=PIN,
    headline="Enable login for PostgreSQL role {role} (cluster {cluster})",
    headlines=(
        "Enable {count} PostgreSQL roles on {cluster}",
        "Enable {count} PostgreSQL roles",
    ),
    undone=gettext_noop("login can be disabled again"),
    leaves=True,
    credential=CREDENTIAL,
    earlier=(_ENABLE_1,),
)
