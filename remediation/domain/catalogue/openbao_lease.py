"""Leases of database credentials in OpenBao, and what its kinds of target have in common."""

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
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

SERVER = r"[a-z0-9][a-z0-9_-]{0,62}"
SEGMENT = r"[A-Za-z0-9_-][A-Za-z0-9_.-]*"
# A mount may lie in a path ("team/approle"). It has no slash at its ends, and no segment begins
# with a dot, so that no path of the API can be left by it.
MOUNT = rf"{SEGMENT}(?:/{SEGMENT})*"
# A lease of a dynamic database credential: mount/creds/role/random.
LEASE_ID = rf"{MOUNT}/creds/{SEGMENT}/[A-Za-z0-9]{{8,64}}(?:\.[A-Za-z0-9]{{1,16}})?"


def one_parameter(name: str, form: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the JSON Schema of an action with exactly one parameter."""
    schema: dict[str, Json] = {
        "type": "object",
        "properties": {name: dict(form)},
        "required": [name],
        "additionalProperties": False,
    }
    return MappingProxyType(schema)


LEASE = TargetSpec(
    kind="openbao.lease",
    title=gettext_noop("OpenBao lease of a database credential"),
    fields={"server": SERVER, "lease": LEASE_ID},
    escaped=MappingProxyType({"lease": 160}),
    distinguishing="lease",
    example={
        "server": "main",
        "lease": "database/creds/readonly/2f6a614c4aa27b195b9dc848",
    },
    names=("lease",),
    shown_fields=(
        "issued",
        "expires",
        "database",
        "database_role",
        "sessions",
        "orphan_sessions",
        "owned_objects",
    ),
    live=(
        Live(
            "live",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The lease is live: its database role can sign in."),
                    "no": gettext_noop("There is no such lease: it was revoked or has ended."),
                }
            ),
        ),
        Live(
            "sessions",
            gettext_noop("Open sessions of its database role:"),
            gettext_noop("Its database role has no open session."),
            gettext_noop("Sessions in the database were not looked at."),
        ),
        Live(
            "orphan_sessions",
            gettext_noop("Open sessions of database roles that no longer exist:"),
        ),
    ),
)

REVOKE = ActionSpec(
    kind="openbao.lease.revoke",
    version=1,
    title="Revoke an OpenBao lease of a database credential",
    sentence="Revoke lease {lease} on OpenBao {server}: its database role is dropped.",
    done="Lease {lease} on {server} is revoked.",
    target_kind=LEASE.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    pin_fields=("live",),
    ends_sessions=gettext_noop(
        "Revoking drops the database role and ends none of its sessions. Where asked, it then ends"
        " the sessions of roles that were dropped."
    ),
    cannot=(
        gettext_noop("It cannot be undone: a new lease has another user and another password."),
        gettext_noop(
            "A database role that owns objects is not dropped; OpenBao then keeps the lease, and"
            " part of the role's rights may be gone."
        ),
        gettext_noop("A client that may ask OpenBao for credentials gets new ones at once."),
        gettext_noop(
            "OpenBao does not show which database role belongs to a lease. The role's name and time"
            " show it, and which role is gone afterwards."
        ),
        gettext_noop("Sessions on standbys of the database are not looked at."),
    ),
    leads_to=MappingProxyType({"live": False}),
    removes_access=True,
    limits=(
        Limit(
            "sessions",
            gettext_noop(
                "Unless asked, sessions of its database role stay open after the role is dropped:"
                " {value}."
            ),
            gettext_noop("Its database role has no open session now."),
            gettext_noop(
                "Sessions in the database were not looked at. Open ones go on after the revocation."
            ),
        ),
        Limit(
            "owned_objects",
            gettext_noop(
                "The database role owns objects, so that the database refuses to drop it: {value}."
            ),
            "",
            gettext_noop("It was not looked at whether the database role owns objects."),
        ),
    ),
    parameters=one_parameter("end_sessions", {"type": "boolean"}),
    narrows=MappingProxyType({"end_sessions": Narrows.TO_FALSE}),
    example=MappingProxyType({"end_sessions": False}),
    headline="Revoke database lease {lease} (OpenBao {server})",
    headlines=("Revoke {count} database leases on OpenBao {server}",),
    credential=never_cut(
        gettext_noop(
            "The operator's token is not cut to this step: it can revoke each lease and token of"
            " the server whose id or accessor is known."
        )
    ),
    retires=True,
    lives_on=(LivesOn("sessions", parameter="end_sessions"),),
)

LEASE_WORDS = {
    "live": pgettext("field of an observation", "live"),
    "issued": pgettext("field of an observation", "issued"),
    "database": pgettext("field of an observation", "database"),
    "sessions": pgettext("field of an observation", "sessions"),
    "orphan_sessions": pgettext("field of an observation", "sessions of dropped roles"),
    "owned_objects": pgettext("field of an observation", "owned objects"),
}
