"""OAuth 2.0: tokens at a provider that revokes (RFC 7009) and introspects (RFC 7662) them.

A token is named by the SHA-256 of its text, so that no report, plan or record holds the token.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from audit.tlog.canonical import Json
from remediation.domain.catalogue.lives_on import LivesOn
from remediation.domain.catalogue.oauth_client import CLIENT, DELETE, SPREADING_SECONDS
from remediation.domain.catalogue.spec import (
    ActionSpec,
    Limit,
    Live,
    Provider,
    TargetSpec,
    gettext_noop,
    never_cut,
    pgettext,
)

TOKEN = TargetSpec(
    kind="oauth.token",
    title=gettext_noop("OAuth token"),
    fields={"issuer": r"[a-z0-9][a-z0-9_-]{0,62}", "sha256": r"[0-9a-f]{64}"},
    distinguishing="sha256",
    example={
        "issuer": "login",
        "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    },
    shown_fields=(
        "client",
        "revoked_by",
        "user",
        "scope",
        "audience",
        "issued",
        "expires",
        "form",
        "offline_until",
        "other_tokens",
    ),
    live=(
        Live(
            "active",
            values=MappingProxyType(
                {
                    "yes": gettext_noop("The provider says that the token is active."),
                    "no": gettext_noop(
                        "The provider does not call the token active: it is revoked or has ended,"
                        " or the provider does not introspect tokens of its type."
                    ),
                }
            ),
        ),
        Live(
            "offline_until",
            gettext_noop(
                "The token is self-contained: a server that asks nobody accepts it until"
                " {offline_until}."
            ),
        ),
        Live(
            "other_tokens",
            gettext_noop("Other tokens of the same grant that are active:"),
            gettext_noop("No other known token of the same grant is active."),
            gettext_noop("Other tokens of the same grant were not looked at."),
        ),
    ),
)

_TYPE: Mapping[str, Json] = MappingProxyType(
    {
        "type": "object",
        "properties": {"token_type": {"type": "string", "enum": ["access_token", "refresh_token"]}},
        "required": ["token_type"],
        "additionalProperties": False,
    }
)

REVOKE = ActionSpec(
    kind="oauth.token.revoke",
    version=1,
    title="Revoke an OAuth token",
    sentence="Revoke the token with SHA-256 {sha256} at OAuth provider {issuer}.",
    headline="Revoke OAuth token {sha256} (provider {issuer})",
    headlines=("Revoke {count} OAuth tokens at provider {issuer}",),
    done="The token with SHA-256 {sha256} is revoked at {issuer}.",
    target_kind=TOKEN.kind,
    rollback=None,
    reversible=False,
    hard_timeout_s=45,
    propagation_s=SPREADING_SECONDS,
    pin_fields=("active",),
    leads_to=MappingProxyType({"active": False}),
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(
            none=gettext_noop("Only the application can end a session that it opened with it.")
        ),
    ),
    parameters=_TYPE,
    example=MappingProxyType({"token_type": "access_token"}),
    ends_sessions=gettext_noop(
        "Requests with the token fail at servers that ask the provider. A session that an"
        " application opened with the token goes on."
    ),
    limits=(
        Limit(
            "offline_until",
            gettext_noop(
                "The token is self-contained: a server that checks only its signature accepts it"
                " until {value}."
            ),
            gettext_noop(
                "The token is not self-contained, or has ended: servers have to ask the provider."
            ),
            gettext_noop(
                "It is not known whether a server accepts the token without asking the provider."
            ),
        ),
        Limit(
            "other_tokens",
            gettext_noop(
                "Other tokens of the same grant are active. Whether they end with this one depends"
                " on the provider: {value}."
            ),
            gettext_noop(
                "No other active token of the same grant is known. The provider may have given"
                " some that nobody put into the worker's directory."
            ),
            gettext_noop("Other tokens of the same grant were not looked at."),
        ),
    ),
    credential=never_cut(
        gettext_noop(
            "The worker signs in as the client that the token was issued to. This login can revoke"
            " each token of the client, and get new tokens as the client can."
        )
    ),
    cannot=(
        gettext_noop("It cannot be undone: a revoked token cannot be reactivated."),
        gettext_noop(
            "It does not stop the client: with its secret, or with another refresh token, it gets"
            " a new token at once."
        ),
        gettext_noop(
            "A server that keeps the provider's answers accepts the token until it asks again."
        ),
        gettext_noop("It does not undo what was done with the token."),
    ),
)

PROVIDER = Provider(
    name="oauth",
    tested="Django OAuth Toolkit 3.4",
    title="OAuth 2.0",
    targets=(TOKEN, CLIENT),
    actions=(REVOKE, DELETE),
    words=MappingProxyType(
        {
            "issuer": pgettext("field of a target", "provider"),
            "sha256": pgettext("field of a target", "SHA-256"),
            "active": pgettext("field of an observation", "active"),
            "client": pgettext("field of a target", "client"),
            "revoked_by": pgettext("field of an observation", "client that can revoke it"),
            "user": pgettext("field of a target", "user"),
            "audience": pgettext("field of an observation", "for servers"),
            "issued": pgettext("field of an observation", "issued"),
            "expires": pgettext("field of an observation", "expires"),
            "form": pgettext("field of an observation", "form"),
            "offline_until": pgettext("field of an observation", "accepted offline until"),
            "other_tokens": pgettext("field of an observation", "other active tokens"),
            "client_id": pgettext("field of a target", "client ID"),
            "active_tokens": pgettext("field of an observation", "active tokens"),
            "tokens": pgettext("field of an observation", "tokens"),
            "proof": pgettext("field of an observation", "tokens that will prove it"),
            "deletes_at": pgettext("field of an observation", "deleted at"),
            "token_type": pgettext("parameter of an action", "type of the token"),
        }
    ),
)
