"""PostgreSQL: the actions that replace the password of a role."""

from __future__ import annotations

from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.postgres_login import DISABLE
from remediation.domain.catalogue.postgres_role import (
    CREDENTIAL,
    LIMITS,
    NO_SESSION,
    PIN,
    ROLE,
    TICKET,
)
from remediation.domain.catalogue.spec import ActionSpec, Change, Limit, Narrows, Op, gettext_noop
from remediation.domain.store_place import MAX_PLACE, PATTERN, VERSION

_STORE: dict[str, Json] = {"type": "string", "pattern": PATTERN, "maxLength": MAX_PLACE}
_INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?Z"
# What a new password leaves: its fingerprint at the target, and its version there and in the store.
_PASSWORD = ("password_id", "password_version", "store_version")
_MAKES = MappingProxyType({"version": VERSION, "set_at": _INSTANT, "password_id": r"[0-9a-f]{32}"})
_NEW_PASSWORD = MappingProxyType(
    {
        "password_id": Change(Op.SET, made="password_id"),
        "password_version": Change(Op.SET, made="version"),
        "store_version": Change(Op.SET, made="version"),
    }
)
_POOLER = Limit(
    "pooler",
    gettext_noop(
        "The old password is tried at these connection poolers. One that keeps passwords of its own"
        " still takes it, and must be given the new one before the step is done: {value}."
    ),
    "",
    gettext_noop(
        "A connection pooler that is not in the targets file cannot be seen. One that keeps"
        " passwords of its own still takes the old one from its clients, and must be given the new"
        " one."
    ),
)
_SHORT_SESSIONS = gettext_noop(
    "PostgreSQL keeps no record of sessions that have ended. A consumer that signs in for a short"
    " time only can be missed, so a person has to say that it moved."
)

ROTATE = ActionSpec(
    kind="postgres.role.rotate_password",
    version=1,
    title="Rotate the password of a PostgreSQL role",
    sentence="Give role {role} on PostgreSQL cluster {cluster} a new password, and deliver it to"
    " the store.",
    done="{role} on {cluster} has a new password. The old one is refused.",
    target_kind=ROLE.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=(*PIN, *_PASSWORD, "store_staged"),
    leads_to=MappingProxyType({"store_staged": ""}),
    leads_to_from=_NEW_PASSWORD,
    removes_access=True,
    ends_sessions=gettext_noop(
        "Sessions of the old password go on, unless the plan ends them (“end sessions”) on each"
        " server that the worker can look at."
    ),
    cannot=(
        gettext_noop(
            "A role has one password. From the change on, new sign-ins of a consumer fail until it"
            " has read the new password in the store. A second role (create_twin) avoids that."
        ),
        gettext_noop("The old password cannot be given back."),
        gettext_noop(
            "A session of the role that stays open can change the password again. Then the portal"
            " sees another fingerprint."
        ),
        gettext_noop(
            "Copies of the old password in subscriptions, foreign servers and poolers stay as they"
            " are."
        ),
        gettext_noop(
            "It does not stop sign-ins without a password: by certificate, trust, peer, LDAP or"
            " another method of pg_hba.conf."
        ),
        _SHORT_SESSIONS,
    ),
    limits=(*(limit for limit in LIMITS if limit.field != "pooler"), _POOLER),
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {"store": {**_STORE}, "end_sessions": {"type": "boolean"}},
            "required": ["end_sessions", "store"],
            "additionalProperties": False,
        }
    ),
    narrows=MappingProxyType({"end_sessions": Narrows.TO_FALSE}),
    example=MappingProxyType({"store": "apps:orders/database", "end_sessions": True}),
    headline="Rotate the password of PostgreSQL role {role} (cluster {cluster})",
    headlines=(
        "Rotate the passwords of {count} PostgreSQL roles on {cluster}",
        "Rotate the passwords of {count} PostgreSQL roles",
    ),
    credential=TICKET,
    rotation="Rotate the password of PostgreSQL role {role} (cluster {cluster})",
    leaves=True,
    makes=_MAKES,
    delivers="store",
    retires=True,
    lives_on=(
        LivesOn(
            "sessions",
            parameter="end_sessions",
            action="postgres.role.end_sessions",
            before="begun_before",
        ),
    ),
    conditions=("consumers_moved", "old_quiet"),
)

END_SESSIONS = ActionSpec(
    kind="postgres.role.end_sessions",
    version=1,
    title="End old sessions of a PostgreSQL role",
    sentence="End the sessions of role {role} on PostgreSQL cluster {cluster} that began before a"
    " given time.",
    done="Sessions of {role} on {cluster} that began before the given time have ended.",
    target_kind=ROLE.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=15,
    propagation_s=0,
    pin_fields=PIN,
    leads_to=MappingProxyType({}),
    ends_sessions=gettext_noop(
        "It ends the role's sessions that began before the given time, on the primary and on each"
        " standby that the worker can look at. Younger ones go on."
    ),
    cannot=(
        gettext_noop(
            "The role keeps its login: a client signs in again at once with the password in force."
        ),
        gettext_noop("What a transaction had not committed is lost."),
    ),
    limits=tuple(
        limit
        for limit in LIMITS
        if limit.field in ("members", "member_sessions", "standbys_unseen", "pooler")
    ),
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {"begun_before": {"type": "string", "pattern": f"^{_INSTANT}$"}},
            "required": ["begun_before"],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType({"begun_before": "2026-01-01T00:00:00Z"}),
    headline="End old sessions of PostgreSQL role {role} (cluster {cluster})",
    headlines=(
        "End old sessions of {count} PostgreSQL roles on {cluster}",
        "End old sessions of {count} PostgreSQL roles",
    ),
    credential=CREDENTIAL,
    leaves=True,
    references=MappingProxyType({"begun_before": "set_at"}),
)

CREATE_TWIN = ActionSpec(
    kind="postgres.role.create_twin",
    version=1,
    title="Make a second PostgreSQL role",
    sentence="Make role {role} on PostgreSQL cluster {cluster} with the rights of an existing role,"
    " and deliver its password to the store.",
    done="{role} on {cluster} can log in with the rights of the first role.",
    target_kind=ROLE.kind,
    rollback=DISABLE.kind,
    reversible=True,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("login", "like", *_PASSWORD),
    leads_to=MappingProxyType({"login": True}),
    leads_to_from=MappingProxyType({"like": Change(Op.SET, parameter="like"), **_NEW_PASSWORD}),
    grants_access=True,
    ends_sessions=NO_SESSION,
    cannot=(
        gettext_noop(
            "It is a member of the first role and becomes it in each session, so that what it makes"
            " belongs to the first role. Rules that name the session's user see the new name."
        ),
        gettext_noop(
            "Rules of pg_hba.conf that name the first role do not let the new one in: the worker"
            " signs in once and finds that."
        ),
        gettext_noop("The first role cannot be dropped while the second one depends on it."),
        _SHORT_SESSIONS,
    ),
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {
                "like": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": 63,
                    "pattern": "^[^\\x00]+$",
                },
                "store": {**_STORE},
            },
            "required": ["like", "store"],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType({"like": "svc_reporting", "store": "apps:orders/database"}),
    headline="Make PostgreSQL role {role} (cluster {cluster}) beside an existing one",
    headlines=(
        "Make {count} second PostgreSQL roles on {cluster}",
        "Make {count} second PostgreSQL roles",
    ),
    undone=gettext_noop("the second role can be dropped again"),
    credential=TICKET,
    rotation="Rotate PostgreSQL role {like} (cluster {cluster}) to a second role {role}",
    leaves=True,
    makes=_MAKES,
    creates=True,
    delivers="store",
    conditions=("consumers_moved", "old_quiet"),
    replaces=MappingProxyType({"cluster": "{cluster}", "role": "{like}"}),
)
