"""OpenBao: identity entities, to which all sign-ins of one holder lead, are switched off and on."""

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

# In a namespace the server adds the namespace's own id.
_ID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:\.[A-Za-z0-9]{1,16})?"

ENTITY = TargetSpec(
    kind="openbao.entity",
    title=gettext_noop("OpenBao entity"),
    fields={"server": SERVER, "entity": _ID},
    distinguishing="entity",
    example={"server": "main", "entity": "9dc925b8-54d4-8351-a1d6-13230e523194"},
    shown_fields=("name", "groups", "created", "changed", "tokens", "tokens_unseen"),
    live=(
        Live(
            "status",
            values=MappingProxyType(
                {
                    "enabled": gettext_noop("The entity is enabled: it signs in by each alias."),
                    "disabled": gettext_noop(
                        "The entity is disabled: no alias signs in, and its tokens are refused."
                    ),
                }
            ),
        ),
        Live("aliases", gettext_noop("It signs in as:"), gettext_noop("It has no alias.")),
        Live(
            "tokens",
            gettext_noop("Tokens of the entity that have not ended:"),
            gettext_noop("No token of the entity was found."),
            gettext_noop("The server's tokens were not looked at."),
        ),
    ),
    no_secret_compared=gettext_noop(
        "The portal compares no token: asking OpenBao about one means sending it there."
    ),
)

TOKENS_UNSEEN = Limit(
    "tokens_unseen",
    gettext_noop("Tokens of the server were not all looked at; not looked at: {value}."),
    "",
    gettext_noop("The server's tokens were not looked at."),
)
_TOKENS_BACK = Limit(
    "tokens",
    gettext_noop("Tokens that are not refused any more once it is enabled: {value}."),
    gettext_noop("No token of the entity was found: only a new sign-in gives one."),
    gettext_noop("It was not looked at which tokens work again once it is enabled."),
)
_CREDENTIAL = never_cut(
    gettext_noop(
        "The operator's token is not cut to this step: it can disable and enable each entity that"
        " its policy names."
    )
)
_PIN = ("status", "aliases", "policies")

DISABLE = ActionSpec(
    kind="openbao.entity.disable",
    version=1,
    title="Disable an OpenBao entity",
    sentence="Disable entity {entity} on OpenBao {server}: none of its tokens and sign-ins works.",
    headline="Disable entity {entity} (OpenBao {server})",
    headlines=("Disable {count} entities on OpenBao {server}",),
    done="Entity {entity} on {server} is disabled.",
    undone=gettext_noop("the entity signs in again, and its tokens that have not ended work again"),
    target_kind=ENTITY.kind,
    rollback="openbao.entity.enable",
    reversible=True,
    hard_timeout_s=30,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "disabled"}),
    leaves=True,
    removes_access=True,
    retires=True,
    lives_on=(
        LivesOn(
            none=gettext_noop("Leases of its tokens stay; OpenBao does not show which they are.")
        ),
    ),
    ends_sessions=gettext_noop(
        "From then on each token of the entity is refused, batch tokens and children too. None is"
        " revoked: their leases stay, and the tokens work again once the entity is enabled."
    ),
    limits=(TOKENS_UNSEEN,),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It does not reach orphan tokens that were made with a token of the entity: they"
            " belong to no entity, and OpenBao does not show who made them."
        ),
        gettext_noop("It revokes no lease: database users that were given stay until their end."),
        gettext_noop("It does not change a password or a secret id."),
    ),
)

ENABLE = ActionSpec(
    kind="openbao.entity.enable",
    version=1,
    title="Enable an OpenBao entity",
    sentence="Enable entity {entity} on OpenBao {server}: its sign-ins and its tokens that have not"
    " ended work again.",
    headline="Enable entity {entity} (OpenBao {server})",
    headlines=("Enable {count} entities on OpenBao {server}",),
    done="Entity {entity} on {server} is enabled.",
    undone=gettext_noop("the entity is disabled again"),
    target_kind=ENTITY.kind,
    rollback="openbao.entity.disable",
    reversible=True,
    hard_timeout_s=30,
    propagation_s=0,
    pin_fields=_PIN,
    leads_to=MappingProxyType({"status": "enabled"}),
    leaves=True,
    grants_access=True,
    ends_sessions=gettext_noop("It ends no session."),
    limits=(_TOKENS_BACK, TOKENS_UNSEEN),
    credential=_CREDENTIAL,
    cannot=(
        gettext_noop(
            "It makes no token and no password new: whoever has an old one that has not ended uses"
            " it again. Revoke the tokens before."
        ),
        gettext_noop("Batch tokens of the entity work again, too; OpenBao does not list them."),
    ),
)

WORDS: Mapping[str, Word] = MappingProxyType(
    {
        "entity": pgettext("field of a target", "entity"),
        "status": pgettext("field of an observation", "status"),
        "aliases": pgettext("field of an observation", "aliases"),
        "groups": pgettext("field of an observation", "groups"),
    }
)
