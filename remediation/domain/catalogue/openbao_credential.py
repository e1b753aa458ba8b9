"""Roles of OpenBao's database engine: make and deliver a credential, revoke an unused one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediation.domain.catalogue.openbao_lease import (
    LEASE_ID,
    MOUNT,
    SEGMENT,
    SERVER,
    one_parameter,
)
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Change,
    Limit,
    Live,
    Op,
    Protected,
    TargetSpec,
    Word,
    gettext_noop,
    never_cut,
    pgettext,
)
from remediation.domain.store_place import MAX_PLACE, PATTERN, VERSION

# What OpenBao's templates make; PostgreSQL cuts a name after 63 bytes.
USERNAME = r"[A-Za-z0-9_.@-]{1,63}"
# OpenBao cancels a request after this time, so until then a lost call may still have an effect.
REQUEST_SECONDS = 90

DATABASE_ROLE = TargetSpec(
    kind="openbao.database_role",
    title=gettext_noop("Role of OpenBao's database engine"),
    fields={"server": SERVER, "mount": MOUNT, "role": SEGMENT},
    escaped=MappingProxyType({"mount": 100}),
    distinguishing="role",
    example={"server": "main", "mount": "database", "role": "readonly"},
    names=("role", "mount"),
    protected=(Protected("role", "the role belongs to the portal", r"hitl[_.-].*"),),
    shown_fields=(
        "credentials",
        "life",
        "database",
        "database_login",
        "token_role",
        "password_authentication",
        "staged",
    ),
    live=(
        Live(
            "credentials",
            gettext_noop("Its live leases, each with a database user:"),
            gettext_noop("It has no live lease."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "OpenBao does not keep the passwords that it gave: there is nothing to compare with."
    ),
)

_LIFE = Limit(
    "life",
    gettext_noop("A new credential ends by itself unless its lease is renewed: {value}."),
    "",
    gettext_noop("It was not looked at how long a new credential lives."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The credential is made with a token for this role and for one credential. The operator's"
        " token, which makes that token, is not cut to this step: it can do the same for each role"
        " that its policy names, and revoke each lease and token of the server whose id or accessor"
        " is known."
    )
)

NEW_CREDENTIAL = ActionSpec(
    kind="openbao.database_role.new_credential",
    version=1,
    title="Make a database credential with OpenBao and deliver it",
    sentence="Make a new database user with role {role} (mount {mount}) on OpenBao {server}, and"
    " put its name and password into the store.",
    headline="Make and deliver a database credential of role {role} (mount {mount}, OpenBao"
    " {server})",
    headlines=("Make and deliver database credentials of {count} roles of OpenBao",),
    done="A new database credential of role {role} is in the store.",
    target_kind=DATABASE_ROLE.kind,
    rollback="openbao.database_role.revoke_credential",
    reversible=True,
    hard_timeout_s=60,
    propagation_s=REQUEST_SECONDS,
    # `statements`: what rights the new user gets. `stored`: the version that consumers read now.
    pin_fields=("leases", "statements", "stored"),
    ends_sessions=gettext_noop("It ends no session: every other lease stays as it is."),
    limits=(_LIFE,),
    cannot=(
        gettext_noop("It does not make a process read the new credential."),
        gettext_noop("It does not revoke the old lease: that is a later step."),
        gettext_noop(
            "It signs in at the one server that the worker's login leads to. Standbys and poolers"
            " are not tried."
        ),
        gettext_noop(
            "The lease ends with the token that made it, which nobody can renew, at the role's"
            " longest life at the latest."
        ),
    ),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType(
        {"leases": Change(Op.ADD, made="lease"), "stored": Change(Op.SET, made="version")}
    ),
    leaves=True,
    makes=MappingProxyType({"lease": LEASE_ID, "username": USERNAME, "version": VERSION}),
    delivers="store",
    conditions=("consumers_moved", "old_quiet"),
    replaces=MappingProxyType({"server": "{server}", "lease": "{mount}/creds/{role}/*"}),
    grants_access=True,
    credential=_CREDENTIAL,
    rotation="Rotate the database credential of role {role} (mount {mount}, OpenBao {server})",
    parameters=one_parameter(
        "store", {"type": "string", "pattern": PATTERN, "maxLength": MAX_PLACE}
    ),
    example=MappingProxyType({"store": "files:orders/database"}),
    undone=gettext_noop("the new lease is revoked while nobody has a session with it"),
)

# The undoing of NEW_CREDENTIAL. The other way, to a revoked lease, does not exist.
REVOKE_CREDENTIAL = ActionSpec(
    kind="openbao.database_role.revoke_credential",
    version=1,
    title="Revoke an unused database credential of OpenBao",
    sentence="Revoke a lease of role {role} (mount {mount}) on OpenBao {server} whose database user"
    " has no session.",
    headline="Revoke an unused database credential of role {role} (mount {mount}, OpenBao"
    " {server})",
    headlines=("Revoke unused database credentials of {count} roles of OpenBao",),
    done="Role {role} on {server} has one lease less.",
    target_kind=DATABASE_ROLE.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=30,
    propagation_s=0,
    pin_fields=("leases", "statements"),
    ends_sessions=gettext_noop(
        "It ends no session, and refuses while a database user that may be the lease's has one."
    ),
    cannot=(
        gettext_noop("It cannot be undone: a new lease has another user and another password."),
        gettext_noop("It does not remove the value from a store or a process."),
        gettext_noop("Sessions on standbys of the database are not looked at."),
    ),
    leads_to=MappingProxyType({}),
    leads_to_from=MappingProxyType({"leases": Change(Op.REMOVE, parameter="lease")}),
    leaves=True,
    credential=never_cut(
        gettext_noop(
            "The operator's token is not cut to this step: it can revoke each lease and token of"
            " the server whose id or accessor is known."
        )
    ),
    parameters=one_parameter(
        "lease", {"type": "string", "pattern": f"^{LEASE_ID}$", "maxLength": 300}
    ),
    example=MappingProxyType({"lease": "database/creds/readonly/2f6a614c4aa27b195b9dc848"}),
    references=MappingProxyType({"lease": "lease"}),
    retires=True,
    lives_on=(),
)

WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "leases": pgettext("field of an observation", "live leases"),
        "statements": pgettext("field of an observation", "statements that make a user"),
        "stored": pgettext("field of an observation", "version that consumers read"),
        "credentials": pgettext("field of an observation", "leases and their times"),
        "life": pgettext("field of an observation", "life of a new credential"),
        "database_login": pgettext("field of an observation", "worker's login at the database"),
        "token_role": pgettext("field of an observation", "token role"),
        "password_authentication": pgettext(
            "field of an observation", "what OpenBao sends for a password"
        ),
        "staged": pgettext("field of an observation", "staged there, and not read yet"),
    }
)
