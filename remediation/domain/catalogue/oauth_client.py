"""OAuth clients that registered themselves: the provider deletes one (RFC 7592).

The standard has no way to switch a client off, and no read for an observer: one registration token
reads and deletes. So the client is seen by its tokens, which the observer may introspect.
"""

from __future__ import annotations

from types import MappingProxyType

from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    TargetSpec,
    gettext_noop,
    never_cut,
)

# RFC 7009 says that there may be a delay, and no time.
SPREADING_SECONDS = 30
_SHA256 = r"[0-9a-f]{64}"

CLIENT = TargetSpec(
    kind="oauth.client",
    title=gettext_noop("OAuth client that registered itself"),
    # RFC 6749, appendix A: visible characters and blanks.
    fields={"issuer": r"[a-z0-9][a-z0-9_-]{0,62}", "client_id": r"[\x20-\x7e]{1,100}"},
    escaped=MappingProxyType({"client_id": 100}),
    distinguishing="client_id",
    example={"issuer": "login", "client_id": "x7Qe2VnB4kT9"},
    names=("client_id",),
    shown_fields=("tokens", "proof", "offline_until", "deletes_at"),
    live=(
        Live(
            "active",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The provider calls tokens of the client active."),
                    "no": gettext_noop(
                        "The provider calls none of the named tokens active: the client is deleted,"
                        " or the tokens are revoked or have ended."
                    ),
                }
            ),
        ),
        Live(
            "offline_until",
            gettext_noop(
                "A named token is self-contained: a server that asks nobody accepts it until"
                " {offline_until}."
            ),
        ),
    ),
    no_secret_compared=gettext_noop("The portal cannot read the secret of an OAuth client."),
)

DELETE = ActionSpec(
    kind="oauth.client.delete",
    version=1,
    title="Delete an OAuth client that registered itself",
    sentence="Delete client {client_id} at OAuth provider {issuer}, and so end all of its tokens.",
    headline="Delete OAuth client {client_id} (provider {issuer})",
    headlines=("Delete {count} OAuth clients at provider {issuer}",),
    done="Client {client_id} is deleted at {issuer}: its named tokens are refused.",
    target_kind=CLIENT.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=60,
    propagation_s=SPREADING_SECONDS,
    # The tokens with their ends: "not active" proves something only before a token's own end.
    pin_fields=("active", "active_tokens"),
    leads_to=MappingProxyType({"active": False, "active_tokens": []}),
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(
            none=gettext_noop(
                "Only an application can end a session that it opened with a token of the client."
            )
        ),
    ),
    parameters=MappingProxyType(
        {
            "type": "object",
            "properties": {
                "tokens": {
                    "type": "array",
                    "items": {"type": "string", "pattern": f"^{_SHA256}$"},
                    "minItems": 1,
                    "maxItems": 5,
                    "uniqueItems": True,
                }
            },
            "required": ["tokens"],
            "additionalProperties": False,
        }
    ),
    example=MappingProxyType(
        {"tokens": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]}
    ),
    ends_sessions=gettext_noop(
        "The client gets no new tokens, and its tokens fail at servers that ask the provider. A"
        " session that an application opened with a token goes on."
    ),
    limits=(
        Limit(
            "tokens",
            gettext_noop(
                "Each user of the client is cut, not only a thief. Its named tokens are: {value}."
            ),
            gettext_noop("None of the named tokens is active."),
            gettext_noop("It was not looked at who uses the client."),
            cuts=True,
        ),
        Limit(
            "offline_until",
            gettext_noop(
                "A named token is self-contained: a server that checks only its signature accepts"
                " it until {value}. Others of the client may be, too."
            ),
            gettext_noop(
                "None of the named tokens is self-contained. Others of the client may be."
            ),
            gettext_noop(
                "It is not known whether a server accepts a token without asking the provider."
            ),
        ),
    ),
    credential=never_cut(
        gettext_noop(
            "The registration token reads, changes and deletes this one client. It cannot be cut to"
            " the deletion."
        )
    ),
    cannot=(
        gettext_noop(
            "It cannot be undone by the portal: a deleted client has to register again, and gets"
            " another ID and secret. Revoking single tokens is gentler (oauth.token.revoke)."
        ),
        gettext_noop(
            "It keeps nobody from registering a new client, where the provider lets anybody do so."
        ),
        gettext_noop(
            "It sees only the named tokens. That the others end, too, is the provider's duty"
            " (RFC 7592)."
        ),
        gettext_noop(
            "Whether the observer's own bearer token is the client's, it knows only if the provider"
            " says so."
        ),
        gettext_noop(
            "A token that ends by itself is refused like one of a deleted client: a look after the"
            " ends of the named tokens tells nothing new."
        ),
        gettext_noop(
            "A server that keeps the provider's answers accepts a token until it asks again."
        ),
        gettext_noop("It does not undo what was done with the client."),
    ),
)
