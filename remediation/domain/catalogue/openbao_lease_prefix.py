"""OpenBao: every lease below a path of one mount is revoked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.openbao_lease import SERVER
from remediation.domain.catalogue.openbao_token import PATH
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Live,
    TargetSpec,
    Word,
    gettext_noop,
    never_cut,
    pgettext,
)

LEASE_PREFIX = TargetSpec(
    kind="openbao.lease_prefix",
    title=gettext_noop("Leases below a path of OpenBao"),
    fields={"server": SERVER, "prefix": PATH},
    escaped=MappingProxyType({"prefix": 160}),
    distinguishing="prefix",
    example={"server": "main", "prefix": "database/creds/readonly"},
    names=("prefix",),
    shown_fields=("below", "whole_mount"),
    live=(
        Live(
            "leases",
            gettext_noop("Live leases below it: {leases}."),
            gettext_noop("There is no live lease below it."),
        ),
    ),
    no_secret_compared=gettext_noop("A lease is no secret: there is nothing to compare."),
)

REVOKE_PREFIX = ActionSpec(
    kind="openbao.lease_prefix.revoke",
    version=1,
    title="Revoke every OpenBao lease below a path",
    sentence="Revoke every lease below {prefix} on OpenBao {server}.",
    headline="Revoke every lease below {prefix} (OpenBao {server})",
    headlines=("Revoke every lease below {count} paths on OpenBao {server}",),
    done="No lease is below {prefix} on {server}.",
    target_kind=LEASE_PREFIX.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=0,
    # A prefix of which leases come and go drifts: people approve an end of exactly so many.
    pin_fields=("leases", "mount"),
    leads_to=MappingProxyType({"leases": 0}),
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(none=gettext_noop("Sessions that a database keeps open can be ended only there.")),
    ),
    ends_sessions=gettext_noop(
        "It ends what each lease stands for: a database user, a certificate, a cloud key; below"
        " auth/ the tokens themselves, with their children and their leases."
    ),
    credential=never_cut(
        gettext_noop(
            "The operator's token is not cut to this step: it can revoke what lies below each path"
            " that its policy names."
        )
    ),
    cannot=(
        gettext_noop("It cannot be undone: new leases have other credentials."),
        gettext_noop("A client that may ask OpenBao for credentials gets new ones at once."),
        gettext_noop(
            "If the other system refuses, that lease and those after it stay; OpenBao is never told"
            " to forget a lease by force."
        ),
        gettext_noop("It ends no session of a database user; some databases keep them open."),
        gettext_noop("It does not find batch tokens and certificates without a lease."),
    ),
)

WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "prefix": pgettext("field of a target", "path"),
        "below": pgettext("field of an observation", "live leases by path"),
        "whole_mount": pgettext("field of an observation", "all of the mount"),
    }
)
