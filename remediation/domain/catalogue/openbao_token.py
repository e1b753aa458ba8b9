"""OpenBao: a token, named by its accessor, is revoked."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.openbao_lease import SERVER
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    TargetSpec,
    Word,
    gettext_noop,
    never_cut,
    pgettext,
)

# A path of the server as it is, not as a URL has it: no empty segment and none that leaves it.
_SEGMENT = r"(?!\.{1,2}(?:/|$))[^/\x00-\x1f\x7f]+"
PATH = rf"{_SEGMENT}(?:/{_SEGMENT})*"

TOKEN = TargetSpec(
    kind="openbao.token",
    title=gettext_noop("OpenBao token"),
    fields={
        "server": SERVER,
        # The auth method that gave it: an accessor alone tells people nothing.
        "mount": PATH,
        "accessor": r"[A-Za-z0-9-]{16,64}(?:\.[A-Za-z0-9]{1,16})?",
    },
    escaped=MappingProxyType({"mount": 100}),
    distinguishing="accessor",
    example={"server": "main", "mount": "userpass", "accessor": "57DOzvve1blgjcpRSoc6Ifdy"},
    names=("mount",),
    shown_fields=(
        "display_name",
        "path",
        "policies",
        "entity",
        "created",
        "expires",
        "token_kind",
        "orphan",
        "uses_left",
        "last_used",
    ),
    live=(
        Live(
            "valid",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The token is valid."),
                    "no": gettext_noop("There is no such token: it was revoked or has ended."),
                }
            ),
        ),
        Live(
            "last_used",
            absent=gettext_noop("OpenBao does not keep when a token was last used."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "The portal compares no token: asking OpenBao about one means sending it there."
    ),
)

REVOKE_TOKEN = ActionSpec(
    kind="openbao.token.revoke",
    version=1,
    title="Revoke an OpenBao token",
    sentence="Revoke token {accessor} of auth method {mount} on OpenBao {server}, with its children"
    " and their leases.",
    headline="Revoke token {accessor} (auth method {mount}, OpenBao {server})",
    headlines=(
        "Revoke {count} tokens of auth method {mount} on OpenBao {server}",
        "Revoke {count} tokens on OpenBao {server}",
    ),
    done="Token {accessor} on {server} is revoked.",
    target_kind=TOKEN.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=30,
    propagation_s=0,
    pin_fields=("valid",),
    leads_to=MappingProxyType({"valid": False}),
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(none=gettext_noop("Sessions that a database keeps open can be ended only there.")),
    ),
    ends_sessions=gettext_noop(
        "It ends the token and each token that was made with it (batch tokens too). OpenBao ends"
        " their leases by itself, a moment later."
    ),
    limits=(
        Limit(
            "entity",
            gettext_noop(
                "Other tokens of the same entity stay valid, and it can sign in again: {value}."
            ),
            gettext_noop("The token belongs to no entity."),
            gettext_noop("It was not looked at whether the token belongs to an entity."),
        ),
    ),
    credential=never_cut(
        gettext_noop(
            "The operator's token is not cut to this step: it can revoke each token of the server"
            " whose accessor is known."
        )
    ),
    cannot=(
        gettext_noop("It cannot be undone: a new sign-in gives another token."),
        gettext_noop("It does not stop its holder from signing in again."),
        gettext_noop(
            "It does not end orphan tokens that were made with it; OpenBao does not show who made"
            " them, nor the children of a token."
        ),
        gettext_noop(
            "It is not seen whether its leases have ended: OpenBao does not show which they are,"
            " and tries again by itself where another system refuses."
        ),
        gettext_noop("Database sessions that were opened with one of its leases may stay open."),
        gettext_noop("What was read with it is known to its reader."),
    ),
)

WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "display_name": pgettext("field of an observation", "display name"),
        "path": pgettext("field of an observation", "made at"),
        "token_kind": pgettext("field of an observation", "type"),
        "orphan": pgettext("field of an observation", "orphan"),
        "last_used": pgettext("field of an observation", "last used"),
    }
)
