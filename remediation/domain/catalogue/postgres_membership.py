"""PostgreSQL: a role's membership in another role, and the actions that take and give it."""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.postgres_role import POWERFUL
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Protected,
    TargetSpec,
    gettext_noop,
    never_cut,
)

_NAME = r"[^\x00]+"

MEMBERSHIP = TargetSpec(
    kind="postgres.membership",
    title=gettext_noop("PostgreSQL membership"),
    fields={"cluster": r"[a-z0-9][a-z0-9_-]{0,62}", "role": _NAME, "granted": _NAME},
    escaped=MappingProxyType({"role": 63, "granted": 63}),
    distinguishing="role",
    example={"cluster": "billing", "role": "svc_reporting", "granted": "invoices_write"},
    names=("role", "granted"),
    protected=(
        Protected("cluster", "the cluster belongs to the portal"),
        Protected("role", "the role administers the cluster", r"hitl_.*|pg_.*|postgres"),
        Protected(
            "granted",
            "the role administers the cluster",
            "|".join(("hitl_.*", "postgres", "pg_read_server_files", *POWERFUL)),
        ),
    ),
    shown_fields=(
        "sessions",
        "older_sessions",
        "members",
        "still_through",
        "passed_on",
        "kept_by",
        "administers",
        "servers",
        "standbys_unseen",
    ),
    live=(
        Live(
            "membership",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("It is a member of the granted role."),
                    "no": gettext_noop("It is no member of the granted role."),
                }
            ),
        ),
        Live(
            "still_through",
            gettext_noop("It has the granted role through other roles, too: {still_through}."),
            gettext_noop("It has the granted role through no other role."),
        ),
        Live(
            "sessions",
            gettext_noop("Open sessions of the role: {sessions}."),
            gettext_noop("It has no open session."),
        ),
        Live("standbys_unseen", gettext_noop("Not looked at: {standbys_unseen}.")),
    ),
    no_secret_compared=gettext_noop("A membership has no secret."),
)

_PIN = (
    "membership",
    "membership_options",
    "membership_enrolled",
    "other_grantors",
    "role_oid",
    "granted_oid",
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The worker's login is not cut to this step: it can revoke each membership that an"
        " administrator of the cluster enrolled, and grant again what it revoked. It can grant"
        " nothing else."
    )
)
_LIMITS = (
    Limit(
        "still_through",
        gettext_noop("It does not stop what the role has through other roles: {value}."),
        "",
        gettext_noop("Other ways to the granted role were not looked at."),
    ),
    Limit(
        "older_sessions",
        gettext_noop(
            "Open sessions of the role: {value}. One in which the role took the granted role on"
            " (SET ROLE) keeps it until it ends, and so does a cursor that is open. PostgreSQL does"
            " not show which they are."
        ),
        "",
        gettext_noop("Open sessions of the role were not looked at."),
    ),
    Limit(
        "members",
        gettext_noop("Members of the role lose the granted role with it: {value}."),
        "",
        gettext_noop("Members of the role were not looked at."),
        cuts=True,
    ),
    Limit(
        "passed_on",
        gettext_noop(
            "Roles to which the role granted it keep it on PostgreSQL 14 and 15. From 16 on the"
            " step is refused until an administrator took it from them: {value}."
        ),
        "",
        gettext_noop("Roles to which the role granted it were not looked at."),
    ),
    Limit(
        "standbys_unseen",
        gettext_noop("Standbys that were not looked at follow later: {value}."),
        "",
        gettext_noop("Standbys were not looked at."),
    ),
)

REVOKE = ActionSpec(
    kind="postgres.membership.revoke",
    version=1,
    title="Revoke a PostgreSQL membership",
    sentence="Take role {granted} from role {role} on PostgreSQL cluster {cluster}.",
    done="{role} on {cluster} is no member of {granted}.",
    target_kind=MEMBERSHIP.kind,
    rollback="postgres.membership.grant",
    reversible=True,
    hard_timeout_s=15,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"membership": False}),
    removes_access=True,
    lives_on=(
        LivesOn(
            "older_sessions",
            action="postgres.role.end_sessions",
            target=MappingProxyType({"cluster": "{cluster}", "role": "{role}"}),
            before="begun_before",
        ),
    ),
    ends_sessions=gettext_noop(
        "It ends no session. Open sessions lose the rights with their next statement, except those"
        " in which the role took the granted role on before (SET ROLE)."
    ),
    cannot=(
        gettext_noop("The role keeps its login, and rights that it was granted itself."),
        gettext_noop("What it made as the granted role belongs to that role, and stays."),
        gettext_noop(
            "It works on a membership that an administrator of the cluster enrolled, and that"
            " nobody else granted, too."
        ),
    ),
    limits=_LIMITS,
    headline="Take role {granted} from PostgreSQL role {role} (cluster {cluster})",
    headlines=(
        "Revoke {count} memberships of PostgreSQL role {role} (cluster {cluster})",
        "Revoke {count} PostgreSQL memberships on {cluster}",
        "Revoke {count} PostgreSQL memberships",
    ),
    undone=gettext_noop("the membership can be granted again"),
    leaves=True,
    credential=_CREDENTIAL,
)

GRANT = ActionSpec(
    kind="postgres.membership.grant",
    version=1,
    title="Grant a PostgreSQL membership again",
    sentence="Give role {granted} to role {role} on PostgreSQL cluster {cluster} again, with the"
    " options of before.",
    done="{role} on {cluster} is a member of {granted}.",
    target_kind=MEMBERSHIP.kind,
    rollback=REVOKE.kind,
    reversible=True,
    hard_timeout_s=15,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"membership": True}),
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    cannot=(gettext_noop("It grants only what was revoked by the portal before."),),
    headline="Give role {granted} to PostgreSQL role {role} again (cluster {cluster})",
    headlines=(
        "Grant {count} PostgreSQL memberships on {cluster} again",
        "Grant {count} PostgreSQL memberships again",
    ),
    undone=gettext_noop("the membership can be revoked again"),
    leaves=True,
    credential=_CREDENTIAL,
)
