"""Words for the fields of AppRoles, their secret ids and tokens."""

from __future__ import annotations

from remediation.domain.catalogue.spec import pgettext

WORDS = {
    "server": pgettext("field of a target", "server"),
    "mount": pgettext("field of a target", "mount"),
    "role": pgettext("field of a target", "role"),
    "accessor": pgettext("field of a target", "accessor"),
    "lease": pgettext("field of a target", "lease"),
    "store": pgettext("parameter of an action", "place in the store"),
    "end_unclear_tokens": pgettext(
        "parameter of an action", "also revoke tokens of unclear origin"
    ),
    "end_sessions": pgettext("parameter of an action", "end sessions"),
    "accessors": pgettext("field of an observation", "secret ids, by accessor"),
    "policies": pgettext("field of an observation", "policies"),
    "bind_secret_id": pgettext("field of an observation", "asks for a secret id"),
    "secret_ids": pgettext("field of an observation", "secret ids"),
    "secret_id_life": pgettext("field of an observation", "life of a new secret id"),
    "tokens": pgettext("field of an observation", "tokens"),
    "tokens_unseen": pgettext("field of an observation", "tokens not looked at"),
    "batch_tokens": pgettext("field of an observation", "batch tokens"),
    "valid": pgettext("field of an observation", "valid"),
    "created": pgettext("field of an observation", "created"),
    "expires": pgettext("field of an observation", "expires"),
    "uses_left": pgettext("field of an observation", "uses left"),
    "other_secret_ids": pgettext("field of an observation", "other secret ids"),
    "own_tokens": pgettext("field of an observation", "tokens that it minted"),
    "unclear_tokens": pgettext("field of an observation", "tokens of unclear origin"),
    "database_role": pgettext("field of an observation", "database role"),
}
